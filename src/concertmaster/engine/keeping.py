"""Our branches after a round: work that did not land is kept, those of what landed go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from concertmaster.adapters import parcel
from concertmaster.core.history import History, TaskHistory
from concertmaster.core.model import LandingMode, TaskState
from concertmaster.core.neutral import as_code
from concertmaster.core.verdict import Fault
from concertmaster.engine.acceptance import (
    doubt_head,
    folder_of,
)
from concertmaster.engine.ground import Ground
from concertmaster.engine.intake import Round
from concertmaster.engine.proposals import await_merged
from concertmaster.engine.reach import WHOLE
from concertmaster.errors import EnvironmentFault, GitFault

WORKFLOWS = ".github/workflows"


def tidy_branches(ground: Ground, held: Round, history: History) -> tuple[History, tuple[str, ...]]:
    """Work that did not land lies on its task's branch; those of what landed go."""
    if ground.plan.settings.landing is LandingMode.NONE:
        return history, ()
    wanted = dict(_branches(ground, held, history))
    removed = [name for name, commit in wanted.items() if not commit]
    shown_open = await_merged(ground, removed, since=history.created_at)
    for name in shown_open:
        del wanted[name]
    history, failed = ground.set_branches(history, wanted)
    left = dict(history.tips)
    for one in history.tasks:
        branch = ground.branch(one.task) if one.task in left else ""
        history = history.put(replace(one, branch=branch))
    still = (
        f"The branch {as_code(ground.branch(name))} stays: its task has landed, but its pull "
        "request is still open. Look for commits on it that are not ours, then close it."
        for name in shown_open
    )
    return history, (*failed.values(), *still)


def _branches(ground: Ground, held: Round, history: History) -> Iterator[tuple[str, str]]:
    left = dict(history.tips)
    for one in history.tasks:
        if one.state is TaskState.LANDED:
            if one.task in left:
                yield one.task, ""
        elif one.state is TaskState.AWAITING_MERGE or _may_reopen(one, left):
            continue
        elif commit := _find_work(ground, held, one):
            yield one.task, commit
    if WHOLE in left and not any(_keeps_whole(history, one) for one in history.tasks):
        yield WHOLE, ""


def _may_reopen(one: TaskHistory, left: Mapping[str, str]) -> bool:
    """A person may open its closed pull request again, as long as the branch is as it was."""
    return one.fault is Fault.CLOSED and one.task in left


def _keeps_whole(history: History, one: TaskHistory) -> bool:
    is_closed = one.fault is Fault.CLOSED and history.deciding_pull(one) == history.pull
    return is_closed or one.state is TaskState.AWAITING_MERGE or one.fault is Fault.STUCK


def _find_work(ground: Ground, held: Round, one: TaskHistory) -> str:
    """The commit of what was done, now in our objects; "" where it may not be on a branch."""
    commit = one.head or _receive_work(ground, held, one)
    doubt = _doubt_work(ground, held, one, commit) if commit and commit != one.head else ""
    if doubt:
        note = f"the work of {one.task} is only in the artifact of its job: {doubt}"
        ground.job.console.note(note)
        return ""
    return commit


def _doubt_work(ground: Ground, held: Round, one: TaskHistory, commit: str) -> str:
    """Why it would do harm on a branch: GitHub acts on workflows and words there too."""
    if _brings_workflows(ground, commit):
        return "its workflows would start there, with what the repository keeps secret"
    result = held.shares.results.get(one.task)
    if result is None or result.head != commit:
        return ""
    return doubt_head(ground.objects, result, plan=ground.plan)


def _brings_workflows(ground: Ground, commit: str) -> bool:
    """Other ones than the run's base has."""
    ours, theirs = (
        ground.objects.git.ask("rev-parse", "--verify", "--quiet", f"{one}:{WORKFLOWS}").out
        for one in (ground.plan.base, commit)
    )
    return bool(theirs) and theirs != ours


def _receive_work(ground: Ground, held: Round, one: TaskHistory) -> str:
    """The commit of unfinished or refused work; "" where it cannot be had."""
    if not one.work or ground.objects.holds(one.work):
        return one.work
    result = held.shares.results.get(one.task)
    if result is None:
        return ""
    share = next(n for n, tasks in enumerate(ground.plan.shares) if one.task in tasks)
    folder = folder_of(ground.job.artifacts, share)
    try:
        return parcel.receive(
            ground.objects, folder, result, run=ground.plan.run, base=ground.plan.base
        )
    except (EnvironmentFault, GitFault) as error:
        ground.job.console.note(f"the work of {one.task} is not kept: {error.what}")
        return ""
