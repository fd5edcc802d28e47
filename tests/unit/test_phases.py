"""The order of an attempt's phases."""

from __future__ import annotations

from itertools import combinations

import pytest

from concertmaster.core import phases
from concertmaster.core.model import LEAN_PHASES, Outcome, Phase
from concertmaster.errors import UsageError

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
    assert phases.select(wanted) == selected


@pytest.mark.parametrize("count", range(len(EVERY)))
def test_the_next_phase_is_the_first_without_evidence(count: int) -> None:
    for done in combinations(EVERY, count):
        found = phases.next_phase(EVERY, done=done, no_op=False)
        assert found == min((p for p in EVERY if p not in done), key=EVERY.index)


def test_an_attempt_is_over_when_all_is_done_or_nothing_was_to_do() -> None:
    assert phases.next_phase(EVERY, done=EVERY, no_op=False) is None
    assert phases.next_phase(EVERY, done=EVERY[:3], no_op=True) is None


def test_an_outcome_has_one_consequence_at_most() -> None:
    final = {Outcome.SUCCEEDED, Outcome.REFUSED, Outcome.CANCELLED}

    assert not phases.WORTH_ANOTHER_ATTEMPT & phases.STOPS_THE_RUN
    assert set(Outcome) - phases.WORTH_ANOTHER_ATTEMPT - phases.STOPS_THE_RUN == final


def test_a_phase_that_is_not_there_yet_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match=r"one\.md asks for the phases research, review"):
        phases.refuse_missing([Phase.REVIEW, Phase.TEST, Phase.RESEARCH], source="one.md")
    phases.refuse_missing([Phase.TEST, Phase.DELIVER], source="one.md")
