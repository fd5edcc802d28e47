"""Tests what a round brings to GitHub: commits, pull requests, Memory.md, issues."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.action.rounds import House
from tests.github.double import Double


@pytest.fixture
def house(double: Double, tmp_path: Path) -> House:
    prompts = {name: f"# Write {name}\n\nwrite {name}.txt {name}\n" for name in ("apple", "pear")}
    return House.build(double, tmp_path, prompts)


def test_what_passed_lands_and_everything_says_so(house: House) -> None:
    issue = house.open_issue("apple", "pear")
    held = house.ask(issue).hold()
    assert house.read("apple.txt") == "apple\n"
    assert house.read("pear.txt") == "pear\n"
    memory = house.read(".github/Memory.md")
    assert memory is not None
    assert held.outputs["run"] in memory
    assert issue.state == "closed"
    assert house.branches() == ["state"]
    children = house.issues("task")
    assert [child.state for child in children] == ["closed", "closed"]
    pulls = [one for one, _ in house.repository.pulls()]
    assert len(pulls) == 2
    assert all(pull.pull and pull.pull.merged_at for pull in pulls)
