"""Delivers each task by a pull request of its own, which a person merges."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from concertmaster.action.finalize.context import FinalizeContext
from concertmaster.action.finalize.pull_requests import (
    Delivery,
    Reached,
    closes_issues,
    open_pull_requests,
    propose_task,
)
from concertmaster.action.finalize.workflow_files import fit_to_workflows
from concertmaster.git.merge_conflict import Conflict
from concertmaster.landing.fault import LandingFault
from concertmaster.model import TaskState
from concertmaster.rounds import transitions
from concertmaster.rounds.history import History, TaskHistory

HELD = "only a person may merge it"


def deliver_task_pulls(
    context: FinalizeContext, history: History, tasks: Iterable[str]
) -> Delivery:
    """Open a pull request for each task that can be merged by itself.

    A task waits for those that it is built on. A task that conflicts with the target is left out.
    """
    tip = context.tip()
    commits: dict[str, str] = {}
    for task in tasks:
        commit = _standalone(context, history, history.task(task), tip)
        if isinstance(commit, Conflict):
            history = _set_aside(history, task, commit)
        elif commit:
            commits[task] = fit_to_workflows(context, history.task(task), commit, tip=tip)
    history, failed = context.set_branches(history, commits)
    closes = closes_issues(context)
    proposals = [
        propose_task(history, task, closes=closes, objects=context.objects)
        for task in commits
        if task not in failed
    ]
    proposed = open_pull_requests(context, proposals, since=history.created_at)
    for task in commits:
        pull = proposed.pulls.get(task)
        reason = HELD if history.task(task).sensitive else "a person merges it"
        number = pull.number if pull else 0
        history = transitions.await_merge(history, task, pull=number, reason=reason)
        if pull and pull.is_merged:  # since an earlier try
            history = transitions.land(history, task, landed_as=pull.merge_commit)
    reached = Reached.PULL if commits else Reached.NOTHING
    return Delivery(history=history, reached=reached, notes=(*failed.values(), *proposed.notes))


def _standalone(
    context: FinalizeContext, history: History, one: TaskHistory, tip: str
) -> str | Conflict:
    """Return a commit of the task's change alone, "" when the task has to wait.

    The commit holds no change of other tasks that have not landed. Returns the conflict when the
    change does not merge onto `tip`.
    """
    known = history.tasks
    hard = [need.on for need in history.needs if need.hard and need.task == one.task]
    if any(on in known and not known[on].is_done for on in hard):
        return ""
    objects = context.objects
    is_foreign = objects.is_foreign(one.base, tip)
    if not is_foreign and all(objects.is_ancestor(built.head, tip) for built in one.built_on):
        return one.head
    at = context.plan.settings.made_at
    result = objects.reapply(tip, base=one.base, head=one.head, at=at)
    if not isinstance(result, Conflict):
        return result.commit
    before = [known[built.task] for built in one.built_on if built.task in known]
    waits = any(not (other.is_done or other.state.is_lost) for other in before)
    return "" if waits else result


def _set_aside(history: History, task: str, conflict: Conflict) -> History:
    """Return the history with the task left out because of the conflict."""
    reason = f"does not merge onto the target: conflict in {', '.join(conflict.paths[:5])}"
    one = replace(
        history.task(task), state=TaskState.LEFT_OUT, fault=LandingFault.CONFLICT, reason=reason
    )
    return history.put(one)
