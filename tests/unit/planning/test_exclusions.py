"""The price of keeping two tasks apart."""

from __future__ import annotations

import pytest

from concertmaster.insight.calibration import Calibration
from concertmaster.planning.collisions import MOST_CLOSE_PATHS, Meeting, keep_history
from concertmaster.planning.exclusions import keep_apart, worth_excluding


def meeting(collision: float, share: float = 1.0) -> Meeting:
    return Meeting(share=share, collision=collision, paths=("x",))


def test_a_wait_costs_less_the_more_tasks_there_are_for_each_slot() -> None:
    prices = [worth_excluding(tasks, slots=4) for tasks in (1, 2, 3, 4, 1000)]

    assert prices == sorted(prices, reverse=True)
    assert prices[0] > prices[2] > prices[-1] > 0.0


def test_a_wait_costs_more_where_most_pairs_wait_already() -> None:
    prices = [worth_excluding(8, slots=4, density=share / 10) for share in range(11)]

    assert prices == sorted(prices)
    assert prices[0] < prices[-1]
    assert worth_excluding(8, slots=4, density=1.0, certainty=0.2) < prices[-1]


def test_the_likeliest_collisions_are_kept_apart_first() -> None:
    chances = [0.3, 0.9, 0.3, 0.35, 0.9, 0.3]
    kept = keep_apart([meeting(chance) for chance in chances], tasks=4, slots=8)

    assert {1, 4} <= kept
    assert len(kept) < 6


@pytest.mark.parametrize(("share", "some_run_together"), [(1.0, True), (0.7, False)])
def test_many_likely_pairs_wait_less_where_it_is_sure_that_they_share_a_file(
    share: float, some_run_together: bool
) -> None:
    kept = keep_apart([meeting(0.3, share)] * 28, tasks=8, slots=4)

    assert (len(kept) < 28) is some_run_together


@pytest.mark.parametrize("tasks", [0, 1, 2])
def test_few_tasks_have_few_pairs(tasks: int) -> None:
    pairs = [meeting(0.9)] * (tasks * (tasks - 1) // 2)

    assert len(keep_apart(pairs, tasks=tasks, slots=4)) == len(pairs)


def test_a_plan_keeps_the_history_of_the_most_frequent_paths() -> None:
    close = {f"f{number:03}": (1, number) for number in range(300)}
    kept = keep_history(Calibration(pair=(1.0, 2.0), close=close))

    assert kept.pair == (1.0, 2.0)
    assert len(kept.close) == MOST_CLOSE_PATHS
    assert min(of for _, of in kept.close.values()) == 300 - MOST_CLOSE_PATHS
