"""Tidies the run's branches after a round: keeps work that did not land, removes the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from concertmaster.action.artifacts import share_folder
from concertmaster.action.finalize.context import FinalizeContext
from concertmaster.action.finalize.inputs import RoundInputs
from concertmaster.action.finalize.pull_requests import WHOLE, await_merged
from concertmaster.errors import EnvironmentFault, GitFault
from concertmaster.landing.fault import LandingFault
from concertmaster.model import LandingMode, TaskState
from concertmaster.rounds import bundles
from concertmaster.rounds.check_result import find_head_fault
from concertmaster.rounds.history import History, TaskHistory
from concertmaster.text.markdown import as_code

WORKFLOWS = ".github/workflows"


def tidy_branches(
    context: FinalizeContext, held: RoundInputs, history: History
) -> tuple[History, tuple[str, ...]]:
    """Put work that did not land on its task's branch, and remove the branches of landed tasks.

    Returns the history with these branches, and notes (Markdown) on those that are not as wanted.
    """
    if context.plan.settings.landing is LandingMode.NONE:
        return history, ()
    wanted = dict(_branches(context, held, history))
    removed = [name for name, commit in wanted.items() if not commit]
    shown_open = await_merged(context, removed, since=history.created_at)
    for name in shown_open:
        del wanted[name]
    history, failed = context.set_branches(history, wanted)
    left = dict(history.tips)
    for one in history.tasks.values():
        branch = context.branch(one.task) if one.task in left else ""
        history = history.put(replace(one, branch=branch))
    still = (
        f"The branch {as_code(context.branch(name))} stays: its task has landed, but its pull "
        "request is still open. Look for commits on it that are not ours, then close it."
        for name in shown_open
    )
    return history, (*failed.values(), *still)


def _branches(
    context: FinalizeContext, held: RoundInputs, history: History
) -> Iterator[tuple[str, str]]:
    """Yield names of branches within the run, each with its wanted commit ("" = remove)."""
    left = dict(history.tips)
    for one in history.tasks.values():
        if one.state is TaskState.LANDED:
            if one.task in left:
                yield one.task, ""
        elif one.state is TaskState.AWAITING_MERGE or _may_reopen(one, left):
            continue
        elif commit := _find_work(context, held, one):
            yield one.task, commit
    tasks = history.tasks.values()
    if WHOLE in left and not any(_keeps_whole(history, one) for one in tasks):
        yield WHOLE, ""


def _may_reopen(one: TaskHistory, left: Mapping[str, str]) -> bool:
    """Return whether a person may reopen the task's closed pull request.

    GitHub allows that only while the branch is as it was.
    """
    return one.fault is LandingFault.CLOSED and one.task in left


def _keeps_whole(history: History, one: TaskHistory) -> bool:
    """Return whether the task still needs the branch of the run's one pull request."""
    is_closed = one.fault is LandingFault.CLOSED and history.deciding_pull(one) == history.pull
    return is_closed or one.state is TaskState.AWAITING_MERGE or one.fault is LandingFault.STUCK


def _find_work(context: FinalizeContext, held: RoundInputs, one: TaskHistory) -> str:
    """Return the commit of the task's work, received into our objects.

    Returns "" when there is none or it may not be on a branch.
    """
    commit = one.head or _receive_work(context, held, one)
    doubt = _doubt_work(context, held, one, commit) if commit and commit != one.head else ""
    if doubt:
        note = f"the work of {one.task} is only in the artifact of its job: {doubt}"
        context.job.console.note(note)
        return ""
    return commit


def _doubt_work(context: FinalizeContext, held: RoundInputs, one: TaskHistory, commit: str) -> str:
    """Return why the commit may not be on a branch, "" when it may.

    GitHub acts on workflows and on commit messages of every branch.
    """
    if _brings_workflows(context, commit):
        return "its workflows would start there, with what the repository keeps secret"
    result = held.shares.results.get(one.task)
    if result is None or result.head != commit:
        return ""
    return find_head_fault(context.objects, result, plan=context.plan)


def _brings_workflows(context: FinalizeContext, commit: str) -> bool:
    """Return whether the commit has workflows that are not those of the run's base."""
    ours, theirs = (
        context.objects.git.ask("rev-parse", "--verify", "--quiet", f"{one}:{WORKFLOWS}").out
        for one in (context.plan.base, commit)
    )
    return bool(theirs) and theirs != ours


def _receive_work(context: FinalizeContext, held: RoundInputs, one: TaskHistory) -> str:
    """Return the commit of unfinished or refused work, "" where it cannot be received."""
    if not one.work or context.objects.holds(one.work):
        return one.work
    result = held.shares.results.get(one.task)
    if result is None:
        return ""
    share = next(n for n, tasks in enumerate(context.plan.shares) if one.task in tasks)
    folder = share_folder(context.job.artifacts, share)
    try:
        return bundles.receive_bundle(
            context.objects, folder, result, run=context.plan.run, base=context.plan.base
        )
    except (EnvironmentFault, GitFault) as error:
        context.job.console.note(f"the work of {one.task} is not kept: {error.what}")
        return ""
