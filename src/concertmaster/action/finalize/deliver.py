"""Lands tested commits on the target, by a push or by pull requests.

Every step is safe to repeat: existing branches and pull requests are found by name and commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from concertmaster.action.finalize import memory
from concertmaster.action.finalize.context import FinalizeContext
from concertmaster.action.finalize.given_pulls import retargeted
from concertmaster.action.finalize.pull_requests import (
    WHOLE,
    Delivery,
    Reached,
    closes_issues,
    is_ours,
    open_pull_requests,
    propose_task,
    propose_whole,
    set_fault,
)
from concertmaster.action.finalize.replay_merges import ReplayedVerdict
from concertmaster.action.finalize.run_pull import deliver_run_pull, recall_run_pull
from concertmaster.action.finalize.squashed_pulls import close_squashed, show_changes
from concertmaster.action.finalize.task_pulls import deliver_task_pulls
from concertmaster.action.finalize.workflow_files import has_other_workflows
from concertmaster.git.remote import BranchMove, PushState
from concertmaster.landing.fault import LandingFault
from concertmaster.model import TaskState
from concertmaster.rounds import transitions
from concertmaster.rounds.history import History
from concertmaster.rounds.verdict import Verdict
from concertmaster.settings.choices import HistoryShape, LandingMode
from concertmaster.text.markdown import as_code

FEW_TASKS = 20  # from this number on, one pull request carries all tasks

_AS_ASKED = {
    LandingMode.BRANCHES: "Nothing lands, as it was asked for: what succeeded lies on the branches "
    "named above. `/orchestrate retry landing=merge` checks and lands it.",
    LandingMode.NONE: "Nothing lands, as it was asked for: what succeeded lies in the artifacts of "
    "this workflow run alone.",
}


def deliver(
    context: FinalizeContext,
    history: History,
    replayed: ReplayedVerdict,
    *,
    last: bool,
) -> Delivery:
    """Bring the tasks that passed to where the run's landing mode wants them.

    In the `last` round of our own, a target that moved on is no reason to try again.
    """
    mode = context.plan.settings.landing
    if mode in (LandingMode.NONE, LandingMode.BRANCHES):
        reason = "the run was asked to land nothing"
        history = set_fault(history, _ready(history), LandingFault.UNASKED, reason)
        return Delivery(history=history, notes=(_AS_ASKED[mode],))
    if mode is LandingMode.PULL_REQUESTS:
        return deliver_task_pulls(context, history, [*replayed.made, *_held(history)])
    # Sensitive tasks come first, so that Memory.md, which lands in the push, can name their pull
    # requests.
    offered = deliver_task_pulls(context, history, _held(history))
    delivery = _land(context, offered.history, replayed, last=last).note(*offered.notes)
    if delivery.reached is Reached.MOVED:
        return delivery
    rest = deliver_task_pulls(context, delivery.history, _held(delivery.history))
    return replace(delivery, history=rest.history).note(*rest.notes)


def _ready(history: History) -> list[str]:
    """Return the tasks that succeeded with a change and have not landed."""
    tasks = history.tasks.items()
    return [key for key, one in tasks if one.head and one.state is TaskState.SUCCEEDED]


def _held(history: History) -> list[str]:
    """Return the ready tasks that only a person may merge."""
    return [task for task in _ready(history) if history.task(task).sensitive]


def _land(
    context: FinalizeContext,
    history: History,
    replayed: ReplayedVerdict,
    *,
    last: bool,
) -> Delivery:
    """Land the commits by a push, or by one pull request where a push is not wanted or possible."""
    made, tip = replayed.made, context.tip()
    landed = history
    for task, commit in made.items():
        landed = transitions.land(landed, task, landed_as=commit)
    if made and context.objects.is_ancestor(replayed.verdict.commit, tip):  # an earlier try did it
        return _remember(context, _recall(context, landed, replayed, tip=tip))
    if not made:
        return Delivery(history=history)
    is_moved = tip != replayed.verdict.tip
    if is_moved and (delivery := recall_run_pull(context, history, replayed)):
        return delivery
    is_rewritten = is_moved and not context.objects.is_ancestor(replayed.verdict.tip, tip)
    if is_moved and (is_rewritten or not last):
        return _moved_delivery(context, history)
    mode = context.plan.settings.landing
    reason = "the run lands by one pull request" if mode is LandingMode.SINGLE_PULL_REQUEST else ""
    reason = reason or ("the target kept moving while results were checked" if is_moved else "")
    has_merges = context.plan.settings.history is HistoryShape.MERGE
    reason = reason or context.job.issue_client.forbids_push(
        context.plan.target, has_merges=has_merges
    )
    if not reason:
        return _push(context, landed, replayed)
    may_merge = mode is LandingMode.MERGE and not is_moved
    return deliver_run_pull(context, history, replayed, reason=reason, may_merge=may_merge)


def _moved_delivery(context: FinalizeContext, history: History) -> Delivery:
    """Return a delivery of nothing, for a target that moved while results were checked."""
    target = as_code(context.plan.target)
    note = f"Somebody moved {target} while results were checked, so none of them has landed yet."
    return Delivery(history=history, reached=Reached.MOVED, notes=(note,))


def _push(context: FinalizeContext, landed: History, replayed: ReplayedVerdict) -> Delivery:
    """Move the target to the tested commit with Memory.md on top.

    Falls back to a pull request when the push is forbidden.
    """
    landed, notes = _show(context, landed, replayed)
    final = memory.write_memory_commit(context, replayed.verdict.commit, landed)
    target = context.plan.target
    move = BranchMove(branch=target, old=replayed.verdict.tip, new=final.commit)
    with retargeted(context, landed, replayed.made) as moved:
        pushed = context.push([move])[target]
        if pushed.state is PushState.DONE:
            moved.clear()
    if pushed.state is PushState.DONE:
        close_squashed(context, landed, replayed)
        return Delivery(history=landed, reached=Reached.TARGET, notes=(*notes, *final.notes))
    history = _unland(landed, replayed.made)
    if pushed.state is PushState.MOVED:
        return _moved_delivery(context, history).note(*notes)
    return deliver_run_pull(context, history, replayed, reason=pushed.reason, may_merge=True)


def _unland(history: History, made: Mapping[str, str]) -> History:
    """Return the history with these tasks as succeeded again."""
    for task in made:
        one = history.task(task)
        history = history.put(replace(one, state=TaskState.SUCCEEDED, landed_as=""))
    return history


def _recall(
    context: FinalizeContext, landed: History, replayed: ReplayedVerdict, *, tip: str
) -> History:
    """Return the history with the pull requests and branches that an earlier try made."""
    made = replayed.made
    names = {name: context.branch(name) for name in (*made, WHOLE)}
    found = context.job.issue_client.pulls.find(
        names.values(), since=landed.created_at, is_ours=lambda pull: is_ours(pull, context.viewer)
    )
    numbers = {name: found[branch].number for name, branch in names.items() if branch in found}
    whole = numbers.get(WHOLE, landed.pull)
    for task in made:
        number = numbers.get(task, whole) or landed.task(task).pull
        landed = landed.put(replace(landed.task(task), pull=number))
    there = {name: context.seen.tip(branch) for name, branch in names.items()}
    # A branch counts as ours only if its commit has landed: its removal then loses nothing.
    # A branch with further commits was changed by somebody else.
    shown = show_changes(context, replayed, landed)
    mine = {
        name: at
        for name, at in there.items()
        if at and (at == shown.get(name) or context.objects.is_ancestor(at, tip))
    }
    tips = tuple(sorted({**dict(landed.tips), **mine}.items()))
    landed = replace(landed, pull=whole, tips=tips)
    close_squashed(context, landed, replayed)
    return landed


def _remember(context: FinalizeContext, landed: History) -> Delivery:
    """Push Memory.md on top of what an earlier try landed."""
    notes = memory.push_memory(context, landed)
    return Delivery(history=landed, reached=Reached.TARGET, notes=notes)


def _show(
    context: FinalizeContext, landed: History, replayed: ReplayedVerdict
) -> tuple[History, tuple[str, ...]]:
    """Open pull requests before the push, which GitHub then shows as merged.

    Returns the history with their numbers, and notes (Markdown) on those that could not be opened.
    """
    if landed.is_train:
        return landed, ()
    if len(landed.tasks) >= FEW_TASKS:
        return _show_whole(context, landed, replayed)
    made, tip = show_changes(context, replayed, landed), replayed.verdict.tip
    # GitHub takes no branch with the workflow files of before; the push itself brings the new ones.
    shown = {
        task: commit
        for task, commit in made.items()
        if not has_other_workflows(context, commit, than=tip)
    }
    history, failed = context.set_branches(landed, shown)
    closes = closes_issues(context)
    proposals = [
        propose_task(history, task, closes=closes, objects=context.objects, together=made)
        for task in shown
        if task not in failed and not _is_there(context, made[task], replayed.verdict)
    ]
    proposed = open_pull_requests(context, proposals, since=history.created_at)
    for task, pull in proposed.pulls.items():
        history = history.put(replace(history.task(task), pull=pull.number))
    return history, (*failed.values(), *proposed.notes)


def _is_there(context: FinalizeContext, commit: str, verdict: Verdict) -> bool:
    """Return whether the target already holds the commit, so that there is nothing to show."""
    return context.objects.is_ancestor(commit, verdict.tip)


def _show_whole(
    context: FinalizeContext, landed: History, replayed: ReplayedVerdict
) -> tuple[History, tuple[str, ...]]:
    """Open one pull request for all tasks before the push."""
    history, failed = context.set_branches(landed, {WHOLE: replayed.verdict.commit})
    if failed:
        return history, tuple(failed.values())
    reason = f"a run of {len(history.tasks)} tasks has one pull request for all of them"
    proposal = propose_whole(history, replayed.verdict, replayed.made, reason=reason)
    proposed = open_pull_requests(context, [proposal], since=history.created_at)
    number = next((pull.number for pull in proposed.pulls.values()), 0)
    for task in replayed.made:
        history = history.put(replace(history.task(task), pull=number))
    return replace(history, pull=number), proposed.notes
