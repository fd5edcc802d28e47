"""Repairs a run whose files are damaged, from what is left of them and from kept references."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from concertmaster.engine.journal import Journal
from concertmaster.engine.recorded_run import JOURNAL
from concertmaster.engine.run_context import PROMPTS
from concertmaster.errors import GitFault, UsageError
from concertmaster.events import BatchLanded, Event, PhaseFailed, PhaseFinished, ResultReceived
from concertmaster.files import run_folder
from concertmaster.git.kept_records import read_files, read_landings
from concertmaster.git.our_branches import branch_of
from concertmaster.git.repository import Repository
from concertmaster.model import Plan, TaskState
from concertmaster.run.state_machine import fold_events
from concertmaster.text.display import count

PLAN = "plan.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairReport:
    """What a repair has mended, and what is lost; each a sentence."""

    run: str
    mended: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()

    def sentences(self) -> Iterator[str]:
        yield from (f"mended: {one}" for one in self.mended)
        yield from (f"lost: {one}" for one in self.lost)
        if self.mended:
            yield f"next: go on with it\n      concertmaster resume {self.run}"
        else:
            yield f"run {self.run} can be read; there is nothing to mend"

    def document(self) -> dict[str, object]:
        return asdict(self)


def repair_run(folder: Path, repository: Repository) -> RepairReport:
    """Repair the run of the folder and return what was done. Damaged files are kept beside it.

    Raises UsageError when the run cannot be repaired or another process works on it.
    """
    if not folder.is_dir():
        raise UsageError(
            f"there is no run {folder.name}",
            why=f"looked in {folder.parent}",
            next_step="see `concertmaster status` for the runs of this repository",
        )
    with run_folder.lock_run(folder):
        plan, mended = _repair_plan(folder, repository)
        more, lost = _repair_journal(folder, repository, plan)
    return RepairReport(run=folder.name, mended=(*mended, *more), lost=lost)


def _repair_plan(folder: Path, repository: Repository) -> tuple[Plan, list[str]]:
    """Restore plan.json and prompts that are missing or damaged; return the plan."""
    mended: list[str] = []
    kept = read_files(repository, folder.name)
    try:
        plan = run_folder.read_plan(folder)
    except UsageError as error:
        if PLAN not in kept:
            raise UsageError(
                f"run {folder.name} cannot be repaired",
                why=f"its plan cannot be read ({error.why}), and no copy of it was kept",
                next_step="its branches and worktrees are still there; start a new run",
            ) from error
        _put_aside(folder / PLAN)
        (folder / PLAN).write_bytes(kept[PLAN])
        plan = run_folder.read_plan(folder)  # raises when a later version wrote it
        mended.append("the plan, from its copy")
    (folder / PROMPTS).mkdir(exist_ok=True)
    for blob in sorted({*kept} - {PLAN}):
        place = folder / PROMPTS / blob
        if not place.is_file() or place.read_bytes() != kept[blob]:
            place.write_bytes(kept[blob])
            mended.append(f"the prompt {blob[:12]}, from its copy")
    return plan, mended


def _repair_journal(
    folder: Path, repository: Repository, plan: Plan
) -> tuple[list[str], tuple[str, ...]]:
    """Cut the journal off before its first damaged line and add the landings that came later."""
    journal = Journal(folder / JOURNAL)
    whole, later, damaged = journal.read_whole()
    landed = _missing_landings(plan, whole, later, repository)
    if not damaged and not landed:
        return [], ()
    lost = [f"{count(len(damaged), 'damaged line')} of the journal: {', '.join(map(str, damaged))}"]
    lost += _keep_work(folder, repository, later) if damaged else []
    _put_aside(journal.path, keeps=True)
    journal.rewrite((*whole, *landed))
    mended = [f"the journal: {len(whole)} events of {len(whole) + len(later) + len(damaged)}"]
    mended += [f"{one.task} has landed, as its reference tells" for one in landed]
    return mended, tuple(lost) if damaged else ()


def _missing_landings(
    plan: Plan, whole: Sequence[Event], later: Sequence[Event], repository: Repository
) -> list[ResultReceived]:
    """Return an event for each task that landed and of which the readable journal does not tell."""
    state = fold_events(plan, whole)
    told = [(event.tasks, event.commit) for event in later if isinstance(event, BatchLanded)]
    told += [(one.tasks, one.commit) for one in read_landings(repository, plan.run)]
    commits = {
        task: commit
        for tasks, commit in told
        if _is_on_target(repository, plan.target, commit)
        for task in tasks
        if task in state.tasks and state.tasks[task].state is not TaskState.LANDED
    }
    at = max((event.at for event in (*whole, *later)), default=0.0)
    return [
        ResultReceived(task=task, state=TaskState.LANDED, base=plan.base, head=commit, at=at)
        for task, commit in commits.items()
    ]


def _is_on_target(repository: Repository, target: str, commit: str) -> bool:
    sides = (commit, f"refs/heads/{target}")
    return repository.git.ask("merge-base", "--is-ancestor", *sides).code == 0


def _keep_work(folder: Path, repository: Repository, later: Sequence[Event]) -> list[str]:
    """Put the newest commit of each attempt after the damage on a branch; return sentences."""
    newest: dict[tuple[str, int], str] = {}
    for event in later:
        if isinstance(event, PhaseFinished) and event.checkpoint:
            newest[event.task, event.attempt] = event.checkpoint
        elif isinstance(event, PhaseFailed) and event.saved:
            newest[event.task, event.attempt] = event.saved
    told = []
    for (task, attempt), commit in newest.items():
        branch = branch_of(folder.name, f"repaired/{task}-{attempt}")
        try:
            repository.fetch(folder / "repository.git", commit, ref=f"refs/heads/{branch}")
        except GitFault as error:
            told.append(f"attempt {attempt} of {task} ({error.what})")
        else:
            told.append(f"attempt {attempt} of {task}, whose work is kept on {branch}")
    return told


def _put_aside(path: Path, *, keeps: bool = False) -> None:
    """Move or copy the file to a free name beside it."""
    if not os.path.lexists(path):
        return
    number = 1
    while os.path.lexists(place := path.with_name(f"{path.name}.damaged-{number}")):
        number += 1
    if keeps:
        place.write_bytes(path.read_bytes())
    else:
        path.rename(place)
