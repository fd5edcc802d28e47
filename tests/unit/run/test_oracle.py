"""Compares the state machine with one that walks every task at every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.events import Event
from concertmaster.model import Plan
from concertmaster.run.state import RunState
from concertmaster.run.state_machine import begin_run, handle
from concertmaster.settings.choices import LandingMode
from tests.oracle import state_machine as oracle
from tests.oracle.state import RunState as PlainState
from tests.simulator import Changes, Disturbance, Simulator, World
from tests.unit.run.test_received import Verified, calm_worlds, make
from tests.unit.run.test_state_machine import (
    disturbances,
    orders,
    own_changes,
    plans,
    worlds,
)

NOT_COMPARED = {"network", "tasks"}


def assert_agree(plan: Plan, journal: Sequence[Event]) -> None:
    """Assert that both answer every event with the same commands and the same state."""
    state, plain = begin_run(plan), oracle.begin_run(plan)
    for event in journal:
        state, commands = handle(state, event)
        plain, expected = oracle.handle(plain, event)
        assert commands == expected, event
        assert_same(state, plain)


def assert_same(state: RunState, plain: PlainState) -> None:
    assert list(state.tasks.items()) == list(plain.tasks.items())
    for field in fields(plain):
        if field.name not in NOT_COMPARED:
            found, expected = getattr(state, field.name), getattr(plain, field.name)
            assert found == expected, field.name
    assert state.cost_usd == pytest.approx(plain.cost_usd)
    assert state.is_working == plain.is_working


modes = st.sampled_from([LandingMode.MERGE, *LandingMode])


@given(modes.flatmap(lambda mode: plans(landing=mode)), worlds(), disturbances, orders)
def test_both_answer_every_run_alike(
    plan: Plan, world: World, disturbance: Disturbance, order: list[int]
) -> None:
    simulator = Simulator(plan, world, disturbance=disturbance, order=order)
    simulator.run()

    assert_agree(plan, simulator.journal)


@given(
    plans(budgets=[None]),
    calm_worlds,
    st.frozensets(own_changes),
    st.one_of(st.none(), st.integers(0, 12)),
    orders,
)
def test_both_answer_received_results_alike(
    plan: Plan, world: World, held: Changes, stop_at: int | None, order: list[int]
) -> None:
    verified = Verified(make(plan, world), held=held, order=order)
    verified.run(stop_at=stop_at)

    assert_agree(verified.plan, verified.journal)
