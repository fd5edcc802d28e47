"""Removes ended runs and the worktrees of their attempts.

A run or worktree stays if a process works on it, if it can be resumed, or if it is the only place
that holds work.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from concertmaster.cli.options import json_option, repo_option
from concertmaster.engine.find_run import runs_folder
from concertmaster.engine.integrator import QUEUE
from concertmaster.engine.recorded_run import DRAFTS, RecordedRun, read_run
from concertmaster.engine.run_home import RunHome
from concertmaster.errors import Error
from concertmaster.files import run_folder
from concertmaster.git.kept_records import drop_references
from concertmaster.git.repository import Repository
from concertmaster.model import Shortage, TaskState
from concertmaster.report.run_end import can_go_on
from concertmaster.run.state import RunState
from concertmaster.run.task_record import TaskRecord
from concertmaster.sandbox import host
from concertmaster.sandbox.resource_limits import judge_resources
from concertmaster.settings.process import find_cache
from concertmaster.terminal.console import Console
from concertmaster.worktrees.owner import AttemptOwner, discard_attempt, list_attempts
from concertmaster.worktrees.place import choose_place, close_place
from concertmaster.worktrees.removal import is_folder, walk_folders

_ARRIVED = (TaskState.LANDED, TaskState.AWAITING_MERGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanResult:
    """The removed runs and worktrees, and what was kept.

    In a dry run it holds what would be removed. `kept` pairs each thing with the reason.
    """

    runs: tuple[str, ...]
    worktrees: tuple[str, ...]
    kept: tuple[tuple[str, str], ...]

    def sentences(self, *, dry_run: bool) -> Iterator[str]:
        """Yield one line for each run and worktree."""
        verb = "would remove" if dry_run else "removed"
        yield from (f"{verb} run {run}" for run in self.runs)
        yield from (f"{verb} worktree {worktree}" for worktree in self.worktrees)
        yield from (f"kept {what}: {why}" for what, why in self.kept)
        if not (self.runs or self.worktrees or self.kept):
            yield "there is nothing to clean"


@dataclass(frozen=True, slots=True, kw_only=True)
class _EndedRun:
    """A run that may be removed. `is_held` says that a process holds its lock.

    It is not recorded where it cannot be read, and `fault` says why.
    """

    folder: Path
    recorded: RecordedRun | None
    is_held: bool
    fault: str = ""

    @property
    def state(self) -> RunState | None:
        return self.recorded.state if self.recorded else None

    def reason_to_stay(self) -> str:
        """Return why the run must stay, "" if it can be removed."""
        if self.is_held:
            return "it is being worked on"
        if self.recorded is None:
            return f"{self.fault}; mend it: concertmaster repair {self.folder.name}"
        if can_go_on(self.recorded.state):
            return f"it can go on: concertmaster resume {self.folder.name}"
        only_here = [key for key, one in self.recorded.state.tasks.items() if _is_only_copy(one)]
        if only_here:
            return f"the work of {', '.join(only_here)} lies only here"
        strays = self.folder / "strays"
        if any(not is_folder(entry) for entry in walk_folders(strays)):
            return f"what attempts left beside their change lies only in {strays}; move it away"
        edited = _find_edited_draft(self.recorded)
        return f"somebody wrote {edited}; move it away first" if edited else ""


def _find_edited_draft(run: RecordedRun) -> Path | None:
    """Return the first file among the drafts that a user wrote or edited."""
    ours = {draft.file: draft.text for draft in run.report.follow_ups}
    for path in sorted((run.folder / DRAFTS).glob("*")):
        text = ours.get(path.name, "").encode("utf-8", "surrogateescape")
        if not path.is_file() or path.read_bytes() != text:
            return path
    return None


def _is_only_copy(record: TaskRecord) -> bool:
    """Return whether work of the task would be lost with the run."""
    stays = any(attempt.folder_stays for attempt in record.attempts)
    safe = record.state in _ARRIVED or record.kept_on or not record.work
    return stays or not safe


def clean_runs(repository: Repository, *, cache: Path, dry_run: bool) -> CleanResult:
    """Remove the runs and worktrees that are safe to remove, worktrees first.

    Worktrees are looked for in `cache`, beside the checkout and where the runs have recorded. With
    `dry_run`, remove nothing and return what would be removed.
    """
    folders = run_folder.list_runs(runs_folder(repository))
    runs = {folder.name: _look_at(folder) for folder in folders}
    places = _find_places(repository, folders, cache)
    going, kept = _sort_worktrees(runs, places, runs_folder(repository))
    reasons = {name: run.reason_to_stay() for name, run in runs.items()}
    ended = [name for name, reason in reasons.items() if not reason]
    if not dry_run:
        for folder in going:
            discard_attempt(folder)
        for place in places:
            close_place(place)
        for name in ended:
            _remove_run(runs[name], repository)
    return CleanResult(
        runs=tuple(ended),
        worktrees=tuple(map(str, going)),
        kept=(*kept, *((f"run {name}", reason) for name, reason in reasons.items() if reason)),
    )


def make_room(repository: Repository, home: RunHome) -> Iterator[str]:
    """Remove what `clean` removes if the disk is short; yield what was done, one line each."""
    try:
        found = judge_resources(home.measure([repository.git_dir, home.cache]))
    except OSError:
        return
    if found.short is Shortage.DISK:
        yield f"the disk is short, so what ended runs left is removed first: {found.reason}"
        result = clean_runs(repository, cache=home.cache, dry_run=False)
        yield from result.sentences(dry_run=False)


def _look_at(folder: Path) -> _EndedRun:
    """Return the run, also one that cannot be read: it must not keep others from being removed."""
    is_held = run_folder.is_locked(folder)
    try:
        return _EndedRun(folder=folder, recorded=read_run(folder), is_held=is_held)
    except Error as error:
        fault = f"{error.what} ({error.why})" if error.why else error.what
        return _EndedRun(folder=folder, recorded=None, is_held=is_held, fault=fault)


def _find_places(repository: Repository, runs: Collection[Path], cache: Path) -> list[Path]:
    """Return every folder that may hold attempts at the repository."""
    recorded = [place for run in runs if (place := run_folder.read_place(run))]
    usual = choose_place(repository.root, repository.name, home=Path.home(), cache=cache).folder
    return list(dict.fromkeys((cache, usual, *recorded)))


def _sort_worktrees(
    runs: dict[str, _EndedRun], places: Collection[Path], home: Path
) -> tuple[list[Path], list[tuple[str, str]]]:
    """Return the worktrees to remove, and those to keep with the reason."""
    going: list[Path] = []
    kept: list[tuple[str, str]] = []
    attempts = [pair for place in places for pair in list_attempts(place).items()]
    for folder, owner in attempts:
        if not Path(owner.repository).is_relative_to(home):
            continue
        reason = _reason_to_keep(runs.get(owner.run), owner)
        if reason:
            kept.append((f"worktree {folder}", reason))
        else:
            going.append(folder)
    return going, kept


def _reason_to_keep(run: _EndedRun | None, owner: AttemptOwner) -> str:
    """Return why the worktree must stay, "" if it can be removed."""
    if run is None and owner.task == QUEUE:
        return ""
    if run is None:
        return "its run is gone, so nobody knows whether its work is saved; look, then delete it"
    if run.is_held:
        return "its run is being worked on"
    if owner.task == QUEUE:
        return ""
    if run.state is None:
        return "its run cannot be read, so nobody knows whether its work is saved"
    record = run.state.tasks.get(owner.task)
    ended = [a for a in record.attempts if a.number == owner.attempt] if record else []
    if not ended:
        return "its run can go on" if can_go_on(run.state) else ""
    attempt = ended[0]
    if attempt.folder_stays:
        return "it holds work that could not be saved"
    if attempt.outcome:
        return ""
    if can_go_on(run.state):
        return "its run can go on"
    return "it may hold what the agent was doing when the run was cancelled"


def _remove_run(run: _EndedRun, repository: Repository) -> None:
    host.sweep(f"{run.folder.name}/")
    drop_references(repository, run.folder.name)
    # The plan goes first: without it the folder is no run, even if the removal is interrupted.
    (run.folder / "plan.json").unlink()
    discard_attempt(run.folder)  # an agent may have nested folders deeply in it


@click.command()
@repo_option
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@json_option
@click.pass_obj
def clean(console: Console, /, repo: Path, dry_run: bool, json: bool) -> int:
    """Remove what ended runs left, but nothing that is not saved.

    A run stays that is going on, that can be resumed, or whose work lies nowhere else.
    """
    found = clean_runs(Repository.open(repo), cache=find_cache(), dry_run=dry_run)
    console.result("\n".join(found.sentences(dry_run=dry_run)), asdict(found))
    return 0
