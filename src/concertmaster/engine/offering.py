"""A pull request for each task, which a person merges."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from concertmaster.adapters.run_repository import Conflict
from concertmaster.core import rounds
from concertmaster.core.history import History, TaskHistory
from concertmaster.core.model import TaskState
from concertmaster.core.verdict import Fault
from concertmaster.engine.ground import Ground
from concertmaster.engine.proposals import propose
from concertmaster.engine.reach import Delivery, Reached, closes_issues, propose_task

HELD = "only a person may merge it"


def offer(ground: Ground, history: History, tasks: Iterable[str]) -> Delivery:
    """A pull request for each task that can be merged by itself; the others wait for those that
    they are built on."""
    tip = ground.tip()
    commits: dict[str, str] = {}
    for task in tasks:
        commit = _standalone(ground, history, history.task(task), tip)
        if isinstance(commit, Conflict):
            history = _set_aside(history, task, commit)
        elif commit:
            commits[task] = commit
    history, failed = ground.set_branches(history, commits)
    closes = closes_issues(ground)
    proposals = [
        propose_task(history, task, closes=closes, together=())
        for task in commits
        if task not in failed
    ]
    proposed = propose(ground, proposals, since=history.created_at)
    for task in commits:
        pull = proposed.pulls.get(task)
        reason = HELD if history.task(task).sensitive else "a person merges it"
        number = pull.number if pull else 0
        history = rounds.await_merge(history, task, pull=number, reason=reason)
        if pull and pull.is_merged:  # since a try before this one
            history = rounds.land(history, task, landed_as=pull.merge_commit)
    reached = Reached.PULL if commits else Reached.NOTHING
    return Delivery(history=history, reached=reached, notes=(*failed.values(), *proposed.notes))


def _standalone(ground: Ground, history: History, one: TaskHistory, tip: str) -> str | Conflict:
    """A commit with the task's change and nothing of others that have not landed; "" = wait."""
    known = {other.task: other for other in history.tasks}
    hard = [need.on for need in history.needs if need.hard and need.task == one.task]
    if any(on in known and not known[on].is_done for on in hard):
        return ""
    objects = ground.objects
    is_foreign = objects.is_foreign(one.base, tip)
    if not is_foreign and all(objects.is_ancestor(built.head, tip) for built in one.built_on):
        return one.head
    text, at = objects.message(one.head), ground.plan.settings.made_at
    result = objects.reapply(tip, base=one.base, head=one.head, message=text, at=at)
    if not isinstance(result, Conflict):
        return result.commit
    before = [known[built.task] for built in one.built_on if built.task in known]
    waits = any(not (other.is_done or other.state.is_lost) for other in before)
    return "" if waits else result


def _set_aside(history: History, task: str, conflict: Conflict) -> History:
    reason = f"does not merge onto the target: conflict in {', '.join(conflict.paths[:5])}"
    one = replace(history.task(task), state=TaskState.LEFT_OUT, fault=Fault.CONFLICT, reason=reason)
    return history.put(one)
