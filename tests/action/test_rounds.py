"""Tests runs of several rounds: retries of failed tasks and decisions of people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import github3  # type: ignore[import-untyped]
import pytest

from concertmaster.model import TaskState
from tests.action.rounds import SETTINGS, House, Round
from tests.github.double import Double

# Five and six pass the check alone but not together.
CHECK = "! { test -e t05.txt && test -e t06.txt; }\n"
TASKS = [f"t{number:02}" for number in range(12)]
BODIES = {
    "t03": "append shared.txt three\n",
    "t04": "append shared.txt four\n",
    "t07": "write .github/workflows/own.yml on: push\n",
    "t08": "write Makefile all:\n",
    "t09": "fail\n",
}
HEADS = {
    "t01": "needs: [t00.md]",
    "t02": "needs: [t01.md]",
    "t03": "touches: [shared.txt]",
    "t04": "touches: [shared.txt]",
}


def prompt(name: str, body: str = "") -> str:
    head = f"---\n{HEADS[name]}\n---\n" if name in HEADS else ""
    work = body or BODIES.get(name, "") or f"write {name}.txt {name}\n"
    return f"{head}# Do {name}\n\n{work}"


@pytest.fixture
def house(double: Double, tmp_path: Path) -> House:
    return House.build(
        double,
        tmp_path,
        {name: prompt(name) for name in TASKS},
        settings=f"{SETTINGS}repairs: 0\n",
        files={"check.sh": CHECK, "shared.txt": "start\n"},
    )


@pytest.fixture
def reader(house: House) -> Any:
    """Return the repository as a client of another GitHub library sees it."""
    session = github3.session.GitHubSession()
    session.base_url = house.double.url
    session.token_auth(house.double.user_token(house.eve))
    return github3.GitHub(session=session).repository("ada", "opera")


def hold_first(house: House) -> Round:
    """Run the first round, in which the share with the tenth task is lost."""
    held = house.ask(house.open_issue(*TASKS), max_parallel=3)
    held.plan()
    shares = json.loads((held.artifacts / "concertmaster-plan" / "plan.json").read_text())["shares"]
    lost = next(n for n, tasks in enumerate(shares) if any("t10" in task for task in tasks))
    held.work(without=(lost,))
    held.verify()
    held.finalize()
    return held


def states(house: House, held: Round) -> dict[str, TaskState]:
    history = house.history(held.outputs["run"])
    return {one.task.partition("-")[0]: one.state for one in history.tasks.values()}


@pytest.mark.matrix
def test_a_retry_lands_what_was_mended_and_closes_failure_issue_and_parent(  # noqa: PLR0915  one long scenario
    house: House, reader: Any
) -> None:
    first = hold_first(house)
    after = states(house, first)
    lost = {name for name, state in after.items() if state.is_lost}
    assert {"t07", "t09", "t10"} <= lost
    assert len({"t05", "t06"} & lost) == 1 or "t05" in lost
    assert after["t08"] is TaskState.AWAITING_MERGE
    landed = {name for name, state in after.items() if state is TaskState.LANDED}
    assert landed | lost | {"t08"} == set(TASKS)
    assert house.read(".github/workflows/own.yml") is None
    assert house.read("Makefile") is None

    parent = reader.issue(1)
    assert parent.state == "open"
    failures = [one for one in reader.issues(state="all") if "kind=failure" in (one.body or "")]
    assert [one.state for one in failures] == ["open"]
    pulls = {one.title: one for one in reader.pull_requests(state="all")}
    assert {name for name in TASKS if f"Do {name}" in pulls} == landed | {"t08"}
    assert all(one.state == "closed" for title, one in pulls.items() if title != "Do t08")

    culprit = next(name for name in ("t05", "t06") if name in lost)
    mended = {name: f"write {name}-mended.txt x\n" for name in ("t07", "t09", culprit)}
    house.double.commit(
        house.repository,
        "main",
        {f"prompts/{name}.md": prompt(name, body) for name, body in mended.items()},
    )
    second = house.ask(house.repository.issues[1], "/orchestrate retry").hold()
    after = states(house, second)
    assert {name for name, state in after.items() if state is not TaskState.LANDED} == {"t08"}
    assert failures[0].refresh().state == "closed"
    assert parent.refresh().state == "open"

    house.double.merge_pull(house.repository, _issue(house, pulls["Do t08"].number), user=house.eve)
    house.close_pull(_issue(house, pulls["Do t08"].number))
    third = house.follow(house.dispatched[-1]).hold()
    assert third.outputs["count"] == "0"
    assert set(states(house, third).values()) == {TaskState.LANDED}
    assert parent.refresh().state == "closed"
    assert house.read("Makefile") == "all:\n"
    assert house.branches() == ["state"]
    memory = house.read(".github/Memory.md")
    assert memory is not None
    assert memory.count(f" {first.outputs['run']}") == 1
    reports = [one.body for one in parent.comments() if "kind=report-" in one.body]
    assert len(reports) == 3


@pytest.mark.matrix
def test_a_failure_issue_that_was_closed_is_opened_again_by_the_next_failure(
    double: Double, tmp_path: Path
) -> None:
    house = House.build(double, tmp_path, {"pear": prompt("pear", "fail\n")})
    first = house.ask(house.open_issue("pear")).hold()
    (number,) = _failure_issues(house)
    double.close(house.repository.issues[number], user=house.eve)

    second = house.ask(house.repository.issues[1], "/orchestrate retry").hold()

    assert second.outputs["run"] == first.outputs["run"]
    assert _failure_issues(house) == {number: "open"}


def _failure_issues(house: House) -> dict[int, str]:
    issues = house.repository.issues
    return {n: one.state for n, one in issues.items() if "kind=failure" in (one.body or "")}


def _issue(house: House, number: int) -> Any:
    return house.repository.issues[number]
