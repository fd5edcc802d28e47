"""Delivers the tested commit by one pull request, where a push is not wanted or not allowed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from concertmaster.action.finalize import memory
from concertmaster.action.finalize.context import FinalizeContext
from concertmaster.action.finalize.pull_requests import (
    WHOLE,
    Delivery,
    Reached,
    is_ours,
    open_pull_requests,
    propose_whole,
    set_fault,
)
from concertmaster.action.finalize.replay_merges import ReplayedVerdict
from concertmaster.github.models import MergeResult, MergeState, Pull
from concertmaster.landing.fault import LandingFault
from concertmaster.rounds import transitions
from concertmaster.rounds.history import History
from concertmaster.settings.choices import HistoryShape
from concertmaster.text.markdown import as_line


def deliver_run_pull(
    context: FinalizeContext,
    history: History,
    replayed: ReplayedVerdict,
    *,
    reason: str,
    may_merge: bool,
) -> Delivery:
    """Open a pull request of the tested commit with Memory.md on top.

    It is merged if `may_merge` and GitHub allows it; otherwise its tasks wait for a person.
    `reason` says why nothing was pushed.
    """
    landed, made = history, replayed.made
    for task, commit in made.items():
        landed = transitions.land(landed, task, landed_as=commit)
    final = memory.write_memory_commit(context, replayed.verdict.commit, landed)
    history, failed = context.set_branches(history, {WHOLE: final.commit})
    if failed:
        held_back = set_fault(history, made, LandingFault.STUCK, f"{reason}, and it has no branch")
        return Delivery(history=held_back, notes=tuple(failed.values()))
    proposal = propose_whole(history, replayed.verdict, made, reason=reason)
    proposed = open_pull_requests(context, [proposal], since=history.created_at)
    pull = proposed.pulls.get(WHOLE)
    history = replace(history, pull=pull.number if pull else 0)
    if pull is None:
        words = f"{reason}, and none could be opened"
        held_back = set_fault(history, made, LandingFault.STUCK, words)
        return Delivery(history=held_back, reached=Reached.PULL, notes=proposed.notes)
    merging = _merge(context, pull, final.commit) if may_merge else None
    if merging and merging.state is MergeState.MERGED:
        return _take_merged(context, history, made, final.commit, pull).note(*final.notes)
    history, failed = _close_task_pulls(context, history, made)
    words = "; ".join(filter(None, (reason, _say_merging(merging))))
    return _await(history, made, reason=words).note(*final.notes, *failed.values())


def recall_run_pull(
    context: FinalizeContext, history: History, replayed: ReplayedVerdict
) -> Delivery | None:
    """Return the delivery of the run's pull request where it is merged already, else None.

    Merging by rebase or squash makes other commits, so the target itself does not tell.
    """
    landed, branch = history, context.branch(WHOLE)
    for task, commit in replayed.made.items():
        landed = transitions.land(landed, task, landed_as=commit)
    found = context.job.issue_client.pulls.find(
        [branch], since=history.created_at, is_ours=lambda pull: is_ours(pull, context.viewer)
    )
    pull = found.get(branch)
    if pull is None or not pull.is_merged:
        return None
    final = memory.write_memory_commit(context, replayed.verdict.commit, landed)
    if pull.head_commit != final.commit:
        return None
    if context.seen.tip(branch) == final.commit:
        history, _ = context.set_branches(history, {WHOLE: final.commit})
    history = replace(history, pull=pull.number)
    return _take_merged(context, history, replayed.made, final.commit, pull).note(*final.notes)


def _close_task_pulls(
    context: FinalizeContext, history: History, made: Mapping[str, str]
) -> tuple[History, dict[str, str]]:
    """Remove the tasks' branches, which closes the pull requests that the run's one replaces."""
    shown = {task: "" for task, _ in history.tips if task in made}
    return context.set_branches(history, shown)


def _say_merging(merging: MergeResult | None) -> str:
    """Return what GitHub does about the merge, "" when none was tried."""
    if merging is None:
        return ""
    match merging.state:
        case MergeState.PENDING:
            return "GitHub merges it by itself when nothing is in the way any more"
        case MergeState.QUEUED:
            return "it is in the merge queue"
        case MergeState.MOVED:
            return "somebody changed its branch, so it is not what was checked"
        case _:
            return merging.reason


def _merge(context: FinalizeContext, pull: Pull, commit: str) -> MergeResult:
    """Merge the pull request now, else once the rules are met, else through the merge queue.

    A history without merges is rebased, which keeps its commits and their messages, and merged
    where the repository does not allow that.
    """
    pulls = context.job.issue_client.pulls
    if pull.is_merged:
        return MergeResult(state=MergeState.MERGED)
    shape = context.plan.settings.history
    methods = ("merge",) if shape is HistoryShape.MERGE else ("rebase", "merge")
    for method in methods:
        merging = pulls.merge(pull, commit=commit, method=method)
        if merging.state is not MergeState.REFUSED:
            return merging
    for method in methods:
        later = pulls.enable_auto_merge(pull, commit=commit, method=method)
        if later.state is not MergeState.REFUSED:
            return later
    queued = pulls.enqueue(pull, commit=commit)
    return merging if queued.state is MergeState.REFUSED else queued


def _take_merged(
    context: FinalizeContext, history: History, made: Mapping[str, str], commit: str, pull: Pull
) -> Delivery:
    """Return the delivery of the merged pull request.

    A note tells when the target's tree is not the checked one.
    """
    tip, failed = context.tip(), dict[str, str]()
    if not context.objects.is_ancestor(commit, tip):  # so GitHub marks no other one as merged
        history, failed = _close_task_pulls(context, history, made)
    for task, its_commit in made.items():
        landed_as = _find_merged(context, its_commit, tip, most=len(made) + 1)
        history = transitions.land(history, task, landed_as=landed_as)
        history = history.put(replace(history.task(task), pull=pull.number))
    notes = tuple(failed.values())
    delivery = Delivery(history=history, reached=Reached.PULL, notes=notes)
    if context.objects.tree(tip) == context.objects.tree(commit):
        return delivery
    return delivery.note(
        f"The target moved while #{pull.number} was merged: its tree is not the one that was "
        "checked. Run the check on it."
    )


def _find_merged(context: FinalizeContext, commit: str, tip: str, *, most: int) -> str:
    """Return the commit of the target that brought this one: itself, its copy, or the tip.

    A rebase copies commits with their messages, a squash does not. The `most` newest are read.
    """
    objects = context.objects
    if objects.is_ancestor(commit, tip):
        return commit
    newest = objects.git.run("rev-list", "--first-parent", f"--max-count={most}", tip).split()
    message = objects.message(commit)
    return next((one for one in newest if objects.message(one) == message), tip)


def _await(history: History, made: Iterable[str], *, reason: str) -> Delivery:
    """Return a delivery whose tasks wait for a person to merge the run's pull request."""
    for task in made:
        history = transitions.await_merge(history, task, pull=history.pull, reason=as_line(reason))
    return Delivery(history=history, reached=Reached.PULL)
