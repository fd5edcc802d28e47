"""Decides what the next round of a run works on, when it is due, and how it begins."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from concertmaster import graph
from concertmaster.landing.fault import LandingFault
from concertmaster.model import Outcome, Plan, RunSettings, TaskState
from concertmaster.planning.estimates import profile_of
from concertmaster.rounds.history import Due, History, TaskHistory
from concertmaster.settings.choices import LandingMode

UNKNOWN_LIMIT_SECONDS = 3600.0  # the wait for a usage limit with an unknown end
SHORTEST_WAIT_SECONDS = 600.0  # such rounds are not counted, so they must not follow at once
UNANSWERED = "GitHub did not answer to the end of the round before"
UNANSWERED_SECONDS = 300.0
MOST_WAITS = 40  # for usage limits since a person asked last
LONGEST_WAIT_SECONDS = 8 * 86400.0  # the longest known usage limits last a week


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTodo:
    """The tasks of a round: `work` for agents, `carried` with results that only have to land."""

    work: tuple[str, ...]
    carried: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.work or self.carried)


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
    if not one.state.is_lost or one.given:
        return False
    if by_person:
        return not named or one.task in named or one.state is TaskState.BLOCKED
    is_blocked = one.state is TaskState.BLOCKED
    return is_blocked or (_is_repairable(one) and one.repairs < settings.repairs)


def _is_repairable(one: TaskHistory) -> bool:
    return one.fault is not None and one.fault.is_repairable


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
    repairs = [key for key in todo.work if _is_repairable(history.task(key))]
    if repairs:
        return f"to repair {', '.join(repairs[:5])}"
    return "to go on with what is left" if todo.work else "to check results on the new target"


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
        is_repair = _is_repairable(one) and own
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
