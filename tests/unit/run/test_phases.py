"""Tests the order of an attempt's phases."""

from __future__ import annotations

from itertools import combinations

import pytest

from concertmaster import model
from concertmaster.model import Outcome
from concertmaster.run import phases
from concertmaster.settings.choices import LEAN_PHASES, Phase

EVERY = tuple(Phase)


@pytest.mark.parametrize(
    ("wanted", "selected"),
    [
        ((), LEAN_PHASES),
        (LEAN_PHASES, LEAN_PHASES),
        (EVERY, EVERY),
        (
            (Phase.REVIEW, Phase.RESEARCH),
            (
                Phase.PREPARE,
                Phase.RESEARCH,
                Phase.IMPLEMENT,
                Phase.TEST,
                Phase.REVIEW,
                Phase.DELIVER,
            ),
        ),
    ],
)
def test_the_lean_phases_are_always_in_and_the_order_is_fixed(
    wanted: tuple[Phase, ...], selected: tuple[Phase, ...]
) -> None:
    assert model.select(wanted) == selected


@pytest.mark.parametrize("count", range(len(EVERY)))
def test_the_next_phase_is_the_first_without_evidence(count: int) -> None:
    for done in combinations(EVERY, count):
        found = phases.next_phase(EVERY, holds=done, no_op=False)
        assert found == min((p for p in EVERY if p not in done), key=EVERY.index)


def test_an_attempt_is_over_when_all_is_done_or_nothing_was_to_do() -> None:
    assert phases.next_phase(EVERY, holds=EVERY, no_op=False) is None
    assert phases.next_phase(EVERY, holds=EVERY[:3], no_op=True) is None


def test_an_outcome_has_one_consequence_at_most() -> None:
    final = {Outcome.SUCCEEDED, Outcome.REFUSED, Outcome.CANCELLED, Outcome.YIELDED}

    assert not phases.WORTH_ANOTHER_ATTEMPT & phases.STOPS_THE_RUN
    assert set(Outcome) - phases.WORTH_ANOTHER_ATTEMPT - phases.STOPS_THE_RUN == final


@pytest.mark.parametrize(
    ("phase", "changed", "holds"),
    [
        (Phase.DOCUMENT, True, {Phase.PREPARE, Phase.IMPLEMENT, Phase.DOCUMENT}),
        (Phase.DOCUMENT, False, {Phase.PREPARE, Phase.IMPLEMENT, Phase.TEST, Phase.DOCUMENT}),
    ],
)
def test_a_check_is_void_with_the_next_tree(phase: Phase, changed: bool, holds: set[Phase]) -> None:
    before = (Phase.PREPARE, Phase.IMPLEMENT, Phase.TEST)
    assert set(phases.finish(before, phase, changed=changed)) == holds


def test_work_that_goes_back_is_implemented_checked_and_reviewed_anew() -> None:
    assert phases.send_back(EVERY) == (
        Phase.PREPARE,
        Phase.RESEARCH,
        Phase.DOCUMENT,
        Phase.DELIVER,
    )
