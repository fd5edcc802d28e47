"""Tests the transitions over whole drawn runs: each ends, with every task in a stated state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from concertmaster.landing.fault import LandingFault
from concertmaster.model import Outcome
from concertmaster.rounds import next_round, transitions
from concertmaster.rounds.history import History, TaskHistory
from concertmaster.rounds.next_round import RoundTodo
from concertmaster.rounds.result import Result
from tests.unit.rounds.histories import (
    AWAITING,
    FAILED,
    LANDED,
    NOW,
    SETTINGS,
    SUCCEEDED,
    WAITING,
    choose,
    history_of,
    left,
    make,
    need,
    plan_of,
    verdict_of,
)

Draw = Callable[[Any], Any]
ENDS = [SUCCEEDED, SUCCEEDED, SUCCEEDED, FAILED, WAITING]


@st.composite
def runs(draw: Draw) -> History:
    """Draw a run in which each task needs some of those before it."""
    number = draw(st.integers(1, 7))
    keys = [f"t{place}" for place in range(number)]
    needs = [
        need(key, other, hard=draw(st.booleans()))
        for place, key in enumerate(keys)
        for other in keys[:place]
        if draw(st.integers(0, 3)) == 0
    ]
    return history_of(*(make(key) for key in draw(st.permutations(keys))), needs=tuple(needs))


def work_on(history: History, todo: RoundTodo, draw: Draw) -> History:
    """Return the history with results of the agents. A task whose need failed gets none."""
    results = {}
    for key in todo.work:
        state, outcome = draw(st.sampled_from(ENDS)), None
        if state is WAITING:
            outcome = draw(st.sampled_from([None, Outcome.LIMITED]))
        head = f"head-{key}" if state is SUCCEEDED and draw(st.integers(0, 5)) else ""
        reason = "" if state is SUCCEEDED else "exit 1"
        results[key] = Result(task=key, state=state, outcome=outcome, head=head, reason=reason)
    return transitions.block(transitions.take_results(history, results, lost={}))


def verify(history: History, draw: Draw) -> History:
    faults = st.sampled_from([None, None, None, *(LandingFault(one) for one in LandingFault)])
    chosen = [(one.task, draw(faults)) for one in history.tasks.values() if one.head]
    found = [left(key, fault) for key, fault in chosen if fault not in (None, LandingFault.CLOSED)]
    return transitions.block(transitions.take_verdict(history, verdict_of(*found)))


def bring(history: History, draw: Draw) -> History:
    """Return the history with tasks landed or awaiting a merge; unchanged if the target moved."""
    moved = draw(st.integers(0, 4)) == 0
    for one in history.tasks.values():
        hard = [need.on for need in history.needs if need.hard and need.task == one.task]
        ready = one.state is SUCCEEDED and one.head and one.fault is None
        if moved or not ready or not all(history.task(on).is_done for on in hard):
            continue
        if draw(st.integers(0, 3)):
            history = transitions.land(history, one.task, landed_as="c")
        else:
            number = int(one.task[1:]) + 10
            history = transitions.await_merge(history, one.task, pull=number, reason="")
    return transitions.block(history)


def settle(history: History, draw: Draw) -> History:
    """Return the history after people merged, closed or left the pull requests."""
    for number in {history.deciding_pull(one) for one in history.tasks.values()} - {0}:
        fate = draw(st.sampled_from(["open", "closed", "merged"]))
        history = transitions.settle_pull(
            history, number, is_open=fate == "open", is_merged=fate == "merged"
        )
    return transitions.block(history)


def hold(history: History, todo: RoundTodo, draw: Draw, at: float) -> History:
    after = bring(verify(work_on(history, todo, draw), draw), draw)
    return replace(after, due=next_round.find_due(after, SETTINGS, at=at))


def check_todo(history: History, todo: RoundTodo) -> None:
    """Check that each need is done, or is worked on first in the same round."""
    assert not set(todo.work) & set(todo.carried)
    chosen = {*todo.work, *todo.carried}
    for one in history.needs:
        if one.hard and one.task in chosen and not history.task(one.on).is_done:
            assert one.on in (todo.work if one.task in todo.work else chosen)
    order = [*todo.work]
    for one in history.needs:
        if one.hard and {one.task, one.on} <= set(order):
            assert order.index(one.on) < order.index(one.task)


def is_stated(history: History, one: TaskHistory) -> bool:
    """Return whether people can see what became of the task, or what it waits for."""
    if one.is_done or one.state is AWAITING:
        return True
    if one.state.is_lost:
        return bool(one.reason)
    if history.own_rounds >= SETTINGS.rounds or history.waits >= next_round.MOST_WAITS:
        return True
    waits = [
        need.on
        for need in history.needs
        if need.hard and need.task == one.task and not history.task(need.on).is_done
    ]
    return one.fault is LandingFault.STUCK or bool(waits)


@given(runs(), st.data())
def test_a_run_ends_by_itself_with_every_task_in_a_stated_state(
    history: History, data: st.DataObject
) -> None:
    draw, at = data.draw, NOW
    todo = choose(history)
    check_todo(history, todo)
    history = hold(history, todo, draw, at)
    limit = SETTINGS.rounds + next_round.MOST_WAITS + 1
    while history.due:
        assert history.round < limit
        at = max(at, history.due.at)
        todo = choose(history)
        assert todo
        check_todo(history, todo)
        plan = plan_of(*todo.work)
        begun = next_round.begin_round(history, plan, todo, trigger=f"w{history.round}", own=True)
        assert begun.round == history.round + 1
        history = hold(begun, todo, draw, at)
    unstated = [one for one in history.tasks.values() if not is_stated(history, one)]
    assert unstated == []


@given(runs(), st.data())
def test_what_people_do_begins_only_what_may_be_begun(
    history: History, data: st.DataObject
) -> None:
    draw = data.draw
    history = hold(history, choose(history), draw, NOW)
    for number in range(4):
        own = draw(st.booleans())
        before, history = history, settle(history, draw)
        todo = choose(history, by_person=not own)
        check_todo(history, todo)
        landed = {one.task for one in before.tasks.values() if one.state is LANDED}
        assert not landed & {*todo.work, *todo.carried}
        plan = plan_of(*todo.work)
        begun = next_round.begin_round(history, plan, todo, trigger=f"w{number}", own=own)
        assert begun.own_rounds <= SETTINGS.rounds
        history = hold(begun, todo, draw, NOW)
        assert landed <= {one.task for one in history.tasks.values() if one.state is LANDED}
