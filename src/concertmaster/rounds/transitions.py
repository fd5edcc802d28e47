"""Decides how results, verdicts and people change the history of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from concertmaster import graph
from concertmaster.landing.fault import LandingFault
from concertmaster.model import Outcome, TaskState
from concertmaster.rounds.history import History, TaskHistory
from concertmaster.rounds.result import Result
from concertmaster.rounds.verdict import LeftOutTask, Verdict


def take_results(
    history: History, results: Mapping[str, Result], *, lost: Mapping[str, str]
) -> History:
    """Return the history with these results. Tasks in `lost` have failed for that reason."""
    for one in history.tasks.values():
        if one.task in results:
            history = history.put(one.add(results[one.task]))
        elif one.task in lost:
            history = history.put(
                replace(
                    one,
                    state=TaskState.FAILED,
                    outcome=Outcome.LOST,
                    reason=lost[one.task],
                    machine=None,
                )
            )
    return history


def cost(history: History) -> float:
    """Return the cost of all rounds in USD, as far as the agents report it."""
    return sum(one.usage.cost_usd or 0.0 for one in history.tasks.values())


def refuse(history: History, task: str, *, reason: str) -> History:
    """Return the history in which the task has failed because its change may never land.

    Its commit becomes its `work`, so that it stays on the task's branch.
    """
    one = history.task(task)
    return history.put(
        replace(
            one,
            state=TaskState.FAILED,
            outcome=Outcome.REFUSED,
            fault=LandingFault.REFUSED,
            reason=reason,
            head="",
            work=one.head,
        )
    )


def lose(history: History, task: str, *, reason: str) -> History:
    """Return the history in which the task has failed because its commit is nowhere any more."""
    one = replace(
        history.task(task),
        state=TaskState.FAILED,
        outcome=Outcome.LOST,
        fault=None,
        reason=reason,
        head="",
        work="",
    )
    return history.put(one)


def take_verdict(history: History, verdict: Verdict) -> History:
    """Return the history in which the tasks that the verdict leaves out do not land."""
    for left in verdict.left_out:
        one = history.task(left.task)
        if one.state is TaskState.SUCCEEDED:  # other states were settled before
            history = _leave_out(history.put(replace(one, machine=verdict.machine)), left)
    return replace(history, check_seconds=history.check_seconds + verdict.check_seconds)


def _leave_out(history: History, left: LeftOutTask) -> History:
    one = history.task(left.task)
    if one.given:
        return _leave_out_given(history, left)
    if left.fault is LandingFault.REFUSED:
        return refuse(history, left.task, reason=left.reason)
    if left.fault is LandingFault.HELD:
        return history.put(replace(one, sensitive=left.paths, classes=left.classes))
    if not left.fault.is_repairable:
        return history.put(replace(one, fault=left.fault, reason=left.reason))
    if awaited := _awaited(history, one):
        reason = f"is built on {awaited}, which a person has to merge first"
        return history.put(replace(one, fault=LandingFault.STUCK, reason=reason))
    return leave_out(history, left.task, fault=left.fault, reason=left.reason)


def _leave_out_given(history: History, left: LeftOutTask) -> History:
    """Return the history without a pull request of others: nobody repairs or holds it."""
    if left.fault is LandingFault.STUCK:
        one = history.task(left.task)
        return history.put(replace(one, fault=left.fault, reason=left.reason))
    return leave_out(history, left.task, fault=left.fault, reason=left.reason)


def leave_out(history: History, task: str, *, fault: LandingFault, reason: str) -> History:
    """Return the history in which the task does not land in this run."""
    one = replace(history.task(task), state=TaskState.LEFT_OUT, fault=fault, reason=reason)
    return history.put(one)


def _awaited(history: History, one: TaskHistory) -> str:
    """Return a task that a person may still merge and that this one is built on; else ""."""
    names = (built.task for built in one.built_on if built.task in history.tasks)
    awaiting = (name for name in names if history.task(name).state is TaskState.AWAITING_MERGE)
    return next(awaiting, "")


def block(history: History) -> History:
    """Return the history in which each task with a lost hard need is blocked."""
    states = {key: one.state for key, one in history.tasks.items()}
    hard = graph.build(states, [(n.task, n.on) for n in history.needs if n.hard and n.on in states])
    for key in graph.sort(hard, rank={key: rank for rank, key in enumerate(states)}):
        lost = sorted(on for on in hard[key] if states[on].is_lost)
        one = history.task(key)
        if not lost or one.is_done or states[key].is_lost:
            continue
        states[key] = TaskState.BLOCKED
        reason = f"needs {lost[0]}, which did not land"
        history = history.put(replace(one, state=TaskState.BLOCKED, reason=reason))
    return history


def land(history: History, task: str, *, landed_as: str) -> History:
    """Return the history in which the task is on the target, as the commit `landed_as`."""
    one = history.task(task)
    return history.put(
        replace(one, state=TaskState.LANDED, landed_as=landed_as, reason="", fault=None)
    )


def await_merge(history: History, task: str, *, pull: int, reason: str) -> History:
    """Return the history in which a person has to merge the task; `pull` may be 0."""
    one = history.task(task)
    state = TaskState.AWAITING_MERGE
    return history.put(replace(one, state=state, pull=pull, reason=reason, fault=None))


def settle_pull(history: History, pull: int, *, is_open: bool, is_merged: bool) -> History:
    """Return the history after a person merged, closed or reopened the pull request."""
    for one in history.tasks.values():
        if history.deciding_pull(one) != pull:
            continue
        if is_merged:
            history = land(history, one.task, landed_as=one.landed_as or one.head)
        elif is_open and one.fault is LandingFault.CLOSED:
            history = await_merge(history, one.task, pull=one.pull, reason="it was opened again")
        elif not is_open and one.fault is not LandingFault.CLOSED:
            history = history.put(_close(one, pull))
    return history


def _close(one: TaskHistory, pull: int) -> TaskHistory:
    reason = f"its pull request #{pull} was closed"
    return replace(one, state=TaskState.LEFT_OUT, fault=LandingFault.CLOSED, reason=reason)
