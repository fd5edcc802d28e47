"""The optimal nested plan chooses the prefix to check next."""

from __future__ import annotations

import random
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.landing.prefix_plan import choose_prefix


@given(st.lists(st.floats(0.0, 1.0), min_size=2, max_size=10), st.data())
def test_the_next_prefix_lies_between_the_green_and_the_red_one(
    risks: list[float], data: st.DataObject
) -> None:
    passed = data.draw(st.integers(0, len(risks) - 2))
    failed = data.draw(st.integers(passed + 2, len(risks)))

    assert passed < choose_prefix(risks, passed=passed, failed=failed) < failed
    assert passed < choose_prefix(risks, passed=passed, failed=None) <= len(risks)


def test_the_likely_culprit_is_cut_off_first() -> None:
    risks = [0.02, 0.02, 0.02, 0.9, 0.02]

    assert choose_prefix(risks, passed=0, failed=5) == 3


@cache
def choose(count: int, failed: int | None, risk: float) -> int:
    return choose_prefix([risk] * count, passed=0, failed=failed)


def count_checks(bad: list[bool], *, risk: float) -> int:
    """Return how many checks the optimal plan makes."""
    count, first, last = 0, 0, len(bad)
    failed: int | None = None
    while first < last:
        if failed is not None and failed - first == 1:
            first, failed = failed, None
            continue
        known = None if failed is None else failed - first
        size = first + choose(last - first, known, risk)
        count += 1
        if any(bad[first:size]):
            failed = size
        else:
            first = size
    return count


# The sum of the entropies is 4.58 and 18.33; the optimal nested plan needs 4.75 and 18.59 checks.
@pytest.mark.parametrize(("tasks", "least"), [(16, 4.75), (64, 18.59)])
def test_the_number_of_checks_is_near_the_optimum(tasks: int, least: float) -> None:
    source, runs, risk = random.Random(7), 1500, 0.05
    counts = [
        count_checks([source.random() < risk for _ in range(tasks)], risk=risk) for _ in range(runs)
    ]

    assert sum(counts) / runs == pytest.approx(least, rel=0.03)


def test_no_prefix_is_chosen_when_every_task_has_passed() -> None:
    with pytest.raises(ValueError, match="passed"):
        choose_prefix([0.1, 0.1], passed=2, failed=None)
