"""Tests finalize with another version of git than the verify job had."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from concertmaster.action import verify
from concertmaster.action.finalize import replay_merges
from concertmaster.errors import EnvironmentFault
from concertmaster.landing.merges import MergedTip, merge_changes
from concertmaster.model import TaskState
from tests.action.rounds import House, Round
from tests.github.double import Double

OTHER = "2.51.0"


@pytest.fixture
def house(double: Double, tmp_path: Path) -> House:
    return House.build(double, tmp_path, {"apple": "# Write apple\n\nwrite apple.txt apple\n"})


def verified(house: House, version: str, patch: pytest.MonkeyPatch) -> Round:
    held = house.ask(house.open_issue("apple"))
    held.plan()
    held.work()
    if version:
        patch.setattr(verify, "git_version", lambda: version)
    house.double.commit(house.repository, "main", {"other.txt": "x\n"})  # so that there is a merge
    held.verify()
    return held


def merge_otherwise(patch: pytest.MonkeyPatch) -> None:
    """Let git make another merge in finalize than it did in verify."""
    merge = merge_changes

    def other(objects: Any, tip: str, candidate: Any, **more: Any) -> Any:
        merged = merge(objects, tip, candidate, **more)
        assert isinstance(merged, MergedTip)
        tree = objects.tree(merged.commit)
        return replace(merged, commit=objects.commit(tree, parents=(tip,), message="x", at=0))

    patch.setattr(replay_merges, "merge_changes", other)


@pytest.mark.matrix
def test_another_version_that_makes_the_same_commits_lands_them(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified(house, OTHER, monkeypatch).finalize()
    assert house.read("apple.txt") == "apple\n"


@pytest.mark.matrix
def test_another_version_that_merges_otherwise_leaves_the_rest_for_a_round(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = verified(house, OTHER, monkeypatch)
    with monkeypatch.context() as patch:
        merge_otherwise(patch)
        held.finalize()

    assert house.read("apple.txt") is None
    (task,) = house.history(held.outputs["run"]).tasks.values()
    assert task.state is TaskState.SUCCEEDED
    report = house.repository.issues[1].comments[-1].body
    assert OTHER in report
    assert "Give both jobs the same git" in report
    monkeypatch.undo()
    house.follow(house.dispatched[-1]).hold()
    assert house.read("apple.txt") == "apple\n"


def test_the_same_version_that_merges_otherwise_is_an_attack(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = verified(house, "", monkeypatch)
    merge_otherwise(monkeypatch)
    with pytest.raises(EnvironmentFault, match="cannot be repeated"):
        held.finalize()
    assert house.read("apple.txt") is None
