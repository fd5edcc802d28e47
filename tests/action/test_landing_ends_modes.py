"""Tests how runs end whose landing mode is not `merge`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from concertmaster.model import TaskState
from tests.action.landing_ends import (
    apple,
    ask,
    assert_landed,
    assert_open,
    assert_settled,
    assert_untouched,
    build_house,
    labels,
    only_pull,
    pulls,
    report,
    settle_by_person,
    task_branch,
)
from tests.action.rounds import House
from tests.github.double import Double

sweep = pytest.mark.matrix


@pytest.fixture
def build(double: Double, tmp_path: Path) -> Callable[..., House]:
    return partial(build_house, double, tmp_path)


@sweep
@pytest.mark.parametrize("method", ["merge", "squash"])
def test_the_one_pull_request_that_was_asked_for_settles_when_a_person_merges_it(
    build: Callable[..., House], method: str
) -> None:
    house = build(landing="single-pull-request")
    tip = house.tip()
    held = ask(house).hold()
    assert_untouched(house, tip)
    assert_open(house, held, because="the run lands by one pull request")
    issue, _ = only_pull(house)
    house.double.merge_pull(house.repository, issue, user=house.eve, method=method)
    again = settle_by_person(house, issue)
    assert again.outputs["count"] == "0"
    assert apple(house, again).state is TaskState.LANDED
    assert "1 of 1 task landed" in report(house)
    assert "no verdict" not in report(house)
    assert_settled(house, again)
    assert labels(house) == {"concertmaster:landed"}


@sweep
def test_the_one_pull_request_that_a_person_closes_leaves_the_work_and_says_so(
    build: Callable[..., House],
) -> None:
    house = build(landing="single-pull-request")
    tip = house.tip()
    held = ask(house).hold()
    issue, _ = only_pull(house)
    house.double.close(issue, user=house.eve)
    again = settle_by_person(house, issue)
    assert house.tip() == tip
    assert apple(house, again).state is TaskState.LEFT_OUT
    kept = [task_branch(held).rpartition("/")[2], "landed"]  # a person may reopen the pull request
    assert house.branches() == sorted([*kept, "state"])
    assert "was closed" in report(house)
    assert "carries the results" not in report(house)
    assert "comment `/orchestrate retry`" in report(house)
    assert [one.state for one in house.issues("failure")] == ["open"]


@pytest.mark.matrix
@pytest.mark.parametrize("landing", ["branches", pytest.param("none", marks=sweep)])
def test_a_run_that_was_asked_to_land_nothing_is_over_and_nothing_has_failed(
    build: Callable[..., House], landing: str
) -> None:
    house = build(landing=landing)
    tip = house.tip()
    held = ask(house).hold()
    assert_untouched(house, tip)
    assert pulls(house) == []
    assert house.dispatched == []
    assert house.issues("failure") == []
    assert labels(house) == set()
    assert "Nothing lands, as it was asked for" in report(house)
    assert "did not land" not in report(house)
    name = task_branch(held).rpartition("/")[2]
    assert house.branches() == ([name, "state"] if landing == "branches" else ["state"])


@sweep
def test_branches_land_when_a_person_asks_for_it_later(build: Callable[..., House]) -> None:
    house = build(landing="branches")
    ask(house).hold()
    words = "/orchestrate retry landing=merge"
    again = house.ask(house.repository.issues[1], words).hold()
    assert again.outputs["count"] == "0"
    assert_landed(house, again)
