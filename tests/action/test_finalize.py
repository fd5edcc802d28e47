"""Tests what a round brings to GitHub: commits, pull requests, Memory.md, issues."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.action.rounds import SETTINGS, House
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


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("written", "branch"),
    [("no", ""), ("notes/runs", "notes/runs")],
)
def test_memory_md_is_switched_off_or_written_to_a_branch_of_its_own(
    double: Double, tmp_path: Path, written: str, branch: str
) -> None:
    prompts = {name: f"# Write {name}\n\nwrite {name}.txt {name}\n" for name in ("apple", "pear")}
    house = House.build(double, tmp_path, prompts, settings=f"{SETTINGS}memory: {written}\n")
    runs = [house.ask(house.open_issue(name)).hold().outputs["run"] for name in prompts]

    assert (house.read("apple.txt"), house.read("pear.txt")) == ("apple\n", "pear\n")
    assert house.read(".github/Memory.md") is None
    if branch:
        memory = house.read(".github/Memory.md", branch=branch)
        assert memory is not None
        assert all(run in memory for run in runs)
        assert house.read("apple.txt", branch=branch) is None
