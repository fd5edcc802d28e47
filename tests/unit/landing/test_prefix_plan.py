"""The optimal nested plan chooses the prefix to check next."""

from __future__ import annotations

import random
from functools import cache, partial
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concertmaster.landing import prefix_plan
from concertmaster.landing.prefix_plan import choose_prefix


@given(st.lists(st.floats(0.0, 1.0), min_size=2, max_size=10), st.data())
def test_the_next_prefix_lies_between_the_green_and_the_red_one(
    risks: list[float], data: st.DataObject
) -> None:
    passed = data.draw(st.integers(0, len(risks) - 2))
    failed = data.draw(st.integers(passed + 2, len(risks)))

    assert passed < choose_prefix(risks, passed=passed, failed=failed) < failed
    assert passed < choose_prefix(risks, passed=passed, failed=None) <= len(risks)


def least_checks(risks: list[float], first: int, last: int) -> dict[int, float]:
    """Return the expected checks for each next prefix between two, by trying every plan."""
    fine = [1.0 - min(max(risk, 0.001), 0.999) for risk in risks]

    def passes(i: int, j: int) -> float:
        return prod(fine[i:j])

    @cache
    def settle(i: int) -> float:
        sizes = range(i + 1, len(risks) + 1)
        return min(map(partial(fresh, i), sizes), default=0.0)

    def fresh(i: int, x: int) -> float:
        return 1.0 + passes(i, x) * settle(x) + (1.0 - passes(i, x)) * find(i, x)

    @cache
    def find(i: int, j: int) -> float:
        if j - i == 1:
            return settle(j)
        return min(split(i, x, j) for x in range(i + 1, j))

    def split(i: int, x: int, j: int) -> float:
        chance = (passes(i, x) - passes(i, j)) / (1.0 - passes(i, j))
        return 1.0 + chance * find(x, j) + (1.0 - chance) * find(i, x)

    return {x: split(first, x, last) for x in range(first + 1, last)}


@settings(max_examples=30)
@given(st.lists(st.sampled_from([0.001, 0.02, 0.1, 0.3]), min_size=3, max_size=9))
def test_a_red_prefix_is_split_where_the_fewest_checks_follow(risks: list[float]) -> None:
    checks = least_checks(risks, 0, len(risks))
    size = choose_prefix(risks, passed=0, failed=len(risks))

    assert checks[size] == pytest.approx(min(checks.values()), rel=1e-9)


def test_the_cost_of_the_plan_grows_with_the_square_of_the_tasks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, counts = prefix_plan._Plan.split, [0]

    def counted(plan: prefix_plan._Plan, i: int, x: int, j: int) -> float:
        counts[-1] += 1
        return real(plan, i, x, j)

    monkeypatch.setattr(prefix_plan._Plan, "split", counted)
    for size in (64, 128):
        counts.append(0)
        choose_prefix([0.0123] * size, passed=0, failed=size)

    assert counts[-1] < 5 * counts[-2]


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
