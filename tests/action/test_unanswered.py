"""Tests a finalize job to which GitHub's API does not answer any more after the landing."""

from __future__ import annotations

from pathlib import Path

import pytest

from concertmaster.action.control import control
from concertmaster.errors import EnvironmentFault
from concertmaster.github.errors import GivenUp
from concertmaster.model import TaskState
from tests.action.rounds import House
from tests.github.double import Double
from tests.github.faults import Effect, Fault


@pytest.mark.matrix
def test_what_has_landed_is_saved_and_the_next_round_tells_of_it(
    double: Double, tmp_path: Path
) -> None:
    house = House.build(double, tmp_path, {"apple": "# Write apple\n\nwrite apple.txt apple\n"})
    issue = house.open_issue("apple")
    held = house.ask(issue)
    held.plan()
    held.work()
    held.verify()
    fault = Fault(effect=Effect.BAD_GATEWAY_BEFORE, method="GET", path="*/labels")
    double.fail(fault)
    with pytest.raises(EnvironmentFault):
        held.finalize()

    run = held.outputs["run"]
    saved = house.history(run)
    assert house.read("apple.txt") == "apple\n"
    assert {one.state for one in saved.tasks.values()} == {TaskState.LANDED}
    assert saved.due is not None
    assert house.dispatched == []

    double.faults.clear()
    double.clock.advance(3600)
    hourly = house.start("schedule", {"schedule": "17 * * * *"})
    assert control(hourly.job("control")) == 0
    house.follow(house.dispatched[-1]).hold()

    assert issue.state == "closed"
    assert house.history(run).due is None
    assert "1 of 1 task landed" in issue.comments[-1].body


@pytest.mark.matrix
def test_what_could_not_land_is_kept_for_a_round_that_is_due(
    double: Double, tmp_path: Path
) -> None:
    house = House.build(double, tmp_path, {"apple": "# Write apple\n\nwrite apple.txt apple\n"})
    issue = house.open_issue("apple")
    held = house.ask(issue)
    held.plan()
    held.work()
    held.verify()
    double.fail(Fault(effect=Effect.BAD_GATEWAY_BEFORE, method="GET", path="*/rules/*"))
    with pytest.raises(GivenUp):
        held.finalize()

    run = held.outputs["run"]
    saved = house.history(run)
    assert {one.state for one in saved.tasks.values()} == {TaskState.SUCCEEDED}
    assert saved.due is not None
    assert [name for name in house.branches() if name.startswith("apple-")]

    double.faults.clear()
    double.clock.advance(3600)
    hourly = house.start("schedule", {"schedule": "17 * * * *"})
    assert control(hourly.job("control")) == 0
    house.follow(house.dispatched[-1]).hold()

    assert house.read("apple.txt") == "apple\n"
    assert issue.state == "closed"
