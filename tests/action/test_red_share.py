"""Tests rounds in which the base passes its check in some work jobs and not in others."""

from __future__ import annotations

from pathlib import Path

import pytest

from concertmaster.model import TaskState
from tests.action.finalize_attacks import PROMPTS, begin
from tests.action.forged_results import Document, Forger
from tests.action.rounds import House
from tests.github.double import Double


@pytest.fixture
def house(double: Double, tmp_path: Path) -> House:
    return House.build(double, tmp_path, PROMPTS)


def redden(forger: Forger, name: str) -> None:
    """Let the share of the task say that the base is red, as its job then does: no agent ran."""

    def change(document: Document) -> None:
        document.update(base_green=False, base_reason="the check failed in this job")
        for one in document["tasks"]:
            keys = ("state", "outcome", "attempts", "base", "head", "bundle", "sha256")
            one.update(dict(zip(keys, ("waiting", None, 0, "", "", "", ""), strict=True)))

    forger.bend(name, change)


@pytest.mark.matrix
def test_a_red_base_of_one_share_does_not_stop_the_others(house: House, tmp_path: Path) -> None:
    forger = begin(house, tmp_path / "forger", "apple", "pear", "plum")
    redden(forger, "apple")
    forger.held.verify()
    forger.finalize()

    run = forger.plan.run
    states = {one.task.partition("-")[0]: one.state for one in house.history(run).tasks.values()}
    assert states == {
        "apple": TaskState.WAITING,
        "pear": TaskState.LANDED,
        "plum": TaskState.LANDED,
    }
    house.follow(house.dispatched[-1]).hold()
    assert house.read("apple.txt") is not None


@pytest.mark.matrix
def test_where_the_base_is_red_in_every_share_no_round_follows(
    house: House, tmp_path: Path
) -> None:
    forger = begin(house, tmp_path / "forger", "apple", "pear", "plum")
    redden(forger, "apple")
    redden(forger, "pear")
    forger.held.verify()
    forger.finalize()

    assert forger.landed() == set()
    assert house.dispatched == []
