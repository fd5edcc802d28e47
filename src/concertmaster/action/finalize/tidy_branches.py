"""Tidies the run's branches after a round: keeps work that did not land, removes the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from concertmaster.action.artifacts import share_folder
from concertmaster.action.finalize.context import FinalizeContext
from concertmaster.action.finalize.inputs import RoundInputs
from concertmaster.action.finalize.pull_requests import WHOLE, await_merged
from concertmaster.action.finalize.workflow_files import (
    find_tip,
    fit_to_workflows,
    has_other_workflows,
)
from concertmaster.errors import EnvironmentFault, GitFault
from concertmaster.landing.fault import LandingFault
from concertmaster.model import TaskState
from concertmaster.rounds import bundles
from concertmaster.rounds.check_result import find_head_fault
from concertmaster.rounds.history import History, TaskHistory
from concertmaster.settings.choices import LandingMode
from concertmaster.text.markdown import as_code


@dataclass(frozen=True, slots=True, kw_only=True)
class TidyBranches:
    """The history with its branches, and notes (Markdown) on those that are not as wanted.

    `stranded` are the commits by task whose branches could not be pushed.
    """

    history: History
    notes: tuple[str, ...] = ()
    stranded: Mapping[str, str] = field(default_factory=dict)


def tidy_branches(context: FinalizeContext, held: RoundInputs, history: History) -> TidyBranches:
    """Put work that did not land on its task's branch, and remove the branches of landed tasks."""
    if context.plan.settings.landing is LandingMode.NONE:
        return TidyBranches(history=history)
    works = dict(_branches(context, held, history))
    wanted = _fit(context, history, works)
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
    stranded = {name: works[name] for name in failed if works.get(name)}
    return TidyBranches(history=history, notes=(*failed.values(), *still), stranded=stranded)


def _fit(context: FinalizeContext, history: History, works: Mapping[str, str]) -> dict[str, str]:
    """Return the branches with commits that the server takes, see `fit_to_workflows`."""
    tip = find_tip(context) if any(works.values()) else ""
    if not tip:
        return dict(works)
    return {
        name: fit_to_workflows(context, history.task(name), commit, tip=tip) if commit else ""
        for name, commit in works.items()
    }


def _branches(
    context: FinalizeContext, held: RoundInputs, history: History
) -> Iterator[tuple[str, str]]:
    """Yield names of branches within the run, each with its wanted commit ("" = remove)."""
    left = dict(history.tips)
    for one in history.tasks.values():
        if one.given:
            continue  # its own branch holds its work
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
    # A commit that is not here is one that only the run's pull request has, rewritten.
    if commit and not context.objects.holds(commit):
        return ""
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
    if has_other_workflows(context, commit, than=context.plan.base):
        return "its workflows would start there, with what the repository keeps secret"
    result = held.shares.results.get(one.task)
    if result is None or result.head != commit:
        return ""
    return find_head_fault(context.objects, result, plan=context.plan)


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
