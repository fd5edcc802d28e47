"""Tests that two runs of one repository that finish at the same moment both land."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from concertmaster.comments.memory_file import PATH
from tests.action.push_moment import at_first_push
from tests.action.rounds import House, Round
from tests.github.double import Double


@pytest.fixture
def house(double: Double, tmp_path: Path) -> House:
    prompts = {name: f"# Write {name}\n\nwrite {name}.txt {name}\n" for name in ("apple", "pear")}
    prompts |= {name: f"# Write {name}\n\nfail\n" for name in ("plum", "fig")}
    return House.build(double, tmp_path, prompts)


def ready(house: House, name: str) -> Round:
    """Return a run of its own issue of which only the finalize job is left."""
    held = house.ask(house.open_issue(name))
    held.plan()
    held.work()
    held.verify()
    return held


def entries(house: House) -> list[str]:
    """Return the runs in Memory.md, newest first."""
    lines = (house.read(PATH) or "").splitlines()
    return [line.split()[2] for line in lines if line.startswith("### ")]


def follow_all(house: House) -> list[Round]:
    """Run all dispatched rounds, and those that they dispatch."""
    held: list[Round] = []
    while len(held) < len(house.dispatched):
        held.append(house.follow(house.dispatched[len(held)]).hold())
    return held


def unchecked(house: House, base: str, runs: set[str]) -> list[str]:
    """Return the commits of the target since the base that no check tested.

    A commit of Memory.md alone counts as the one below it.
    """
    bare = house.double.git(house.repository)
    tested: set[str] = set()
    for run in runs:
        for number in range(1, house.history(run).round + 1):
            branch = f"concertmaster/{run}/state"
            verdict = house.read(f"rounds/{number}/verdict.json", branch=branch)
            tested |= {step["commit"] for step in json.loads(verdict or "{}").get("steps", [])}
    passed = bare.text("rev-list", "--first-parent", f"{base}..main").split()
    return [
        commit
        for commit in passed
        if commit not in tested
        and bare.text("diff", "--name-only", f"{commit}^", commit).split() != [PATH]
    ]


def check_both(house: House, base: str, *held: Round) -> None:
    """Check that everything of both runs is there, once."""
    runs = {one.outputs["run"] for one in held}
    assert sorted(entries(house)) == sorted(runs)
    assert unchecked(house, base, runs) == []
    for run in runs:
        assert house.history(run).due is None
    reports = [
        comment.body
        for issue in house.repository.issues.values()
        for comment in issue.comments
        if "kind=report-" in comment.body
    ]
    assert len(reports) == len(house.rounds)


@pytest.mark.matrix
@pytest.mark.parametrize(
    "branch",
    [
        "main",
        pytest.param("apple", marks=pytest.mark.matrix),
        pytest.param("state", marks=pytest.mark.matrix),
    ],
)
def test_whose_target_moved_lands_in_a_round_that_only_verifies(
    house: House, branch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, first, second = house.tip(), ready(house, "apple"), ready(house, "pear")
    came = at_first_push(monkeypatch, branch, second.finalize)

    first.finalize()
    assert came
    later = follow_all(house)

    assert [one.outputs["count"] for one in later] == ["0"]
    assert (house.read("apple.txt"), house.read("pear.txt")) == ("apple\n", "pear\n")
    assert len(house.repository.pulls()) == 2
    assert {issue.state for issue in house.repository.issues.values()} == {"closed"}
    check_both(house, base, first, second)


@pytest.mark.matrix
def test_two_last_jobs_at_once_both_land(house: House) -> None:
    base, first, second = house.tip(), ready(house, "apple"), ready(house, "pear")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(Round.finalize, (first, second)))
    later = follow_all(house)

    assert [one.outputs["count"] for one in later] == ["0"]
    assert (house.read("apple.txt"), house.read("pear.txt")) == ("apple\n", "pear\n")
    check_both(house, base, first, second)


@pytest.mark.matrix
@pytest.mark.parametrize("names", [("apple", "plum"), ("plum", "apple"), ("plum", "fig")])
def test_memory_tells_of_both_also_where_nothing_landed(
    house: House, names: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    base = house.tip()
    first, second = (ready(house, name) for name in names)
    came = at_first_push(monkeypatch, "main", second.finalize)

    first.finalize()
    assert came
    follow_all(house)

    assert house.read("apple.txt") == ("apple\n" if "apple" in names else None)
    assert len(house.issues("failure")) == ("plum" in names) + ("fig" in names)
    check_both(house, base, first, second)
