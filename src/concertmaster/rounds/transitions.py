"""Decides how a round changes the history of its run and what the next round has to do."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from concertmaster import graph
from concertmaster.landing.fault import LandingFault
from concertmaster.model import Outcome, Plan, RunSettings, TaskState
from concertmaster.planning.estimates import profile_of
from concertmaster.rounds.history import Due, History, TaskHistory
from concertmaster.rounds.result import Result
from concertmaster.rounds.verdict import LeftOutTask, Verdict
from concertmaster.settings.choices import LandingMode

UNKNOWN_LIMIT_SECONDS = 3600.0  # the wait for a usage limit with an unknown end
SHORTEST_WAIT_SECONDS = 600.0  # such rounds are not counted, so they must not follow at once
UNANSWERED = "GitHub did not answer to the end of the round before"
UNANSWERED_SECONDS = 300.0
MOST_WAITS = 40  # for usage limits since a person asked last
LONGEST_WAIT_SECONDS = 8 * 86400.0  # the longest known usage limits last a week

_REPAIRABLE = (LandingFault.CULPRIT, LandingFault.CONFLICT)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTodo:
    """The tasks of a round: `work` for agents, `carried` with results that only have to land."""

    work: tuple[str, ...]
    carried: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.work or self.carried)


def take_results(
    history: History, results: Mapping[str, Result], *, lost: Mapping[str, str]
) -> History:
    """Return the history with these results. Tasks in `lost` have failed for that reason."""
    for one in history.tasks.values():
        if one.task in results:
            history = history.put(one.add(results[one.task]))
        elif one.task in lost:
            history = history.put(
                replace(one, state=TaskState.FAILED, outcome=Outcome.LOST, reason=lost[one.task])
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
        if history.task(left.task).state is TaskState.SUCCEEDED:  # other states were settled before
            history = _leave_out(history, left)
    return replace(history, check_seconds=history.check_seconds + verdict.check_seconds)


def _leave_out(history: History, left: LeftOutTask) -> History:
    one = history.task(left.task)
    if left.fault is LandingFault.REFUSED:
        return refuse(history, left.task, reason=left.reason)
    if left.fault is LandingFault.HELD:
        return history.put(replace(one, sensitive=left.paths, classes=left.classes))
    if left.fault not in _REPAIRABLE:
        return history.put(replace(one, fault=left.fault, reason=left.reason))
    if awaited := _awaited(history, one):
        reason = f"is built on {awaited}, which a person has to merge first"
        return history.put(replace(one, fault=LandingFault.STUCK, reason=reason))
    state = TaskState.LEFT_OUT
    return history.put(replace(one, state=state, fault=left.fault, reason=left.reason))


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


# --- the next round ----------------------------------------------------------------------------


def choose_todo(
    history: History, settings: RunSettings, *, by_person: bool, named: Collection[str] = ()
) -> RoundTodo:
    """Return what the next round can do now.

    A retry by a person takes all tasks that did not land, or those `named` and the blocked ones.
    """
    wanted = {
        one.task: one
        for one in history.tasks.values()
        if _is_wanted(one, settings, by_person=by_person, named=named)
    }
    kept: dict[str, TaskHistory] = {}
    for key in _in_order(history):
        if key in wanted and _finds_needs(history, key, kept):
            kept[key] = wanted[key]
    carried = tuple(key for key in kept if _is_carried(kept[key]))
    return RoundTodo(work=tuple(key for key in kept if key not in carried), carried=carried)


def _is_carried(one: TaskHistory) -> bool:
    return one.state is TaskState.SUCCEEDED and bool(one.head)


def _is_wanted(
    one: TaskHistory, settings: RunSettings, *, by_person: bool, named: Collection[str]
) -> bool:
    if one.state is TaskState.WAITING or _is_carried(one):
        return True
    if not one.state.is_lost:
        return False
    if by_person:
        return not named or one.task in named or one.state is TaskState.BLOCKED
    is_blocked = one.state is TaskState.BLOCKED
    return is_blocked or (one.fault in _REPAIRABLE and one.repairs < settings.repairs)


def _in_order(history: History) -> tuple[str, ...]:
    names = history.tasks
    links = [(n.task, n.on) for n in history.needs if n.hard and n.task in names and n.on in names]
    return graph.sort(graph.build(names, links), rank={key: i for i, key in enumerate(names)})


def _finds_needs(history: History, key: str, kept: Mapping[str, TaskHistory]) -> bool:
    """Return whether each hard need is done or is part of the same round.

    Work does not start on a carried need, which still has to land.
    """
    known = history.tasks
    is_carried = _is_carried(known[key])
    return all(
        known[on].is_done or (on in kept and (is_carried or not _is_carried(kept[on])))
        for on in _hard_needs(history, key)
        if on in known
    )


def _hard_needs(history: History, key: str) -> Iterator[str]:
    return (need.on for need in history.needs if need.hard and need.task == key)


def find_due(history: History, settings: RunSettings, *, at: float) -> Due | None:
    """Return the next round that begins without a person's request; None if there is none.

    Rounds that wait for a usage limit are counted apart from the others. A stuck result does not
    start a round, because it waits for a person, and no more does an agent without access.
    """
    todo = choose_todo(history, settings, by_person=False)
    lands = settings.landing not in (LandingMode.BRANCHES, LandingMode.NONE)
    carried = [key for key in todo.carried if history.task(key).fault is not LandingFault.STUCK]
    lacks_access = any(history.task(key).outcome is Outcome.NO_ACCESS for key in todo.work)
    if lacks_access or not (todo.work or (carried and lands)):
        return None
    number = history.round + 1
    if limits := _limits(history, todo, at=at):
        if history.waits >= MOST_WAITS:
            return None
        return Due(round=number, at=max(limits), reason="a usage limit ends then")
    if history.own_rounds >= settings.rounds:
        return None
    return Due(round=number, at=at, reason=_describe(history, todo))


def finish_later(history: History, *, at: float) -> History:
    """Return the history with a round that is due soon, because GitHub did not take the report."""
    due = Due(round=history.round + 1, at=at + UNANSWERED_SECONDS, reason=UNANSWERED)
    return replace(history, due=due)


def _limits(history: History, todo: RoundTodo, *, at: float) -> list[float]:
    """Return the epoch seconds at which the usage limits of the tasks end."""
    limited = [history.task(key) for key in todo.work]
    return [
        min(max(one.resumes_at, at + SHORTEST_WAIT_SECONDS), at + LONGEST_WAIT_SECONDS)
        if one.resumes_at
        else at + UNKNOWN_LIMIT_SECONDS
        for one in limited
        if one.outcome is Outcome.LIMITED and one.state is TaskState.WAITING
    ]


def _describe(history: History, todo: RoundTodo) -> str:
    repairs = [key for key in todo.work if history.task(key).fault in _REPAIRABLE]
    if repairs:
        return f"to repair {', '.join(repairs[:5])}"
    return "to go on with what is left" if todo.work else "to check results on the new target"


# --- the start of a round ----------------------------------------------------------------------


def begin_round(
    history: History, plan: Plan, todo: RoundTodo, *, trigger: str, own: bool
) -> History:
    """Return the history as the round begins, with the tasks of the plan waiting.

    `own` says that the round began without a person's request. Such a round is counted only if it
    was due: a round after a person merged or closed a pull request is not. A round that a person
    requests sets the counters back to 0.
    """
    is_due = own and history.due is not None
    is_wait = is_due and bool(_limits(history, todo, at=0.0))
    for task in plan.tasks:
        one = history.task(task.id)
        is_repair = one.fault in _REPAIRABLE and own
        history = history.put(
            replace(
                one,
                state=TaskState.WAITING,
                reason="",
                fault=None,
                outcome=None,
                repairs=one.repairs + is_repair if own else 0,
                prompt=task.prompt,
                title=task.title,
                blob=task.blob,
                touches=task.touches,
                profile=profile_of(task, plan.settings),
                head="",
                work="",
                resumes_at=0.0,
            )
        )
    return replace(
        history,
        round=history.round + 1,
        trigger=trigger,
        own_rounds=history.own_rounds + (is_due and not is_wait) if own else 0,
        waits=history.waits + is_wait if own else 0,
        due=None,
    )
