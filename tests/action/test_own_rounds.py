"""Tests rounds without a person's request, for repairs and limits, and cancelled runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from concertmaster.action.control import control
from concertmaster.model import Outcome, TaskState
from concertmaster.rounds.history import TaskHistory
from tests.action.rounds import AGENT, SETTINGS, House, Round
from tests.github.double import Double

# Apple and pear pass the check alone but not together.
CHECK = '! { test -e apple.txt && test -e pear.txt; } || { echo "no room for both"; exit 1; }\n'
TWO = {name: f"# Write {name}\n\nwrite {name}.txt {name}\n" for name in ("apple", "pear")}


def build(double: Double, folder: Path, *, settings: str = "", **files: str) -> House:
    """Return a repository whose agent logs its stdin beside the repository."""
    agent = f"tee -a {folder}/told.log > told.tmp\n{{ {AGENT} }} < told.tmp\nrm -f told.tmp\n"
    return House.build(
        double,
        folder,
        TWO,
        settings=SETTINGS + settings,
        files={"agent.sh": agent, **{name.replace("_", "."): text for name, text in files.items()}},
    )


def told(house: House) -> str:
    """Return all that agents were told so far."""
    return (house.folder / "told.log").read_text()


def tasks(house: House, held: Round) -> dict[str, TaskHistory]:
    history = house.history(held.outputs["run"])
    return {one.task.rpartition("-")[0]: one for one in history.tasks.values()}


def strike(house: House) -> None:
    """Run the control job of the hourly schedule."""
    held = house.start("schedule", {"schedule": "17 * * * *"})
    assert control(held.job("control")) == 0


# --- repairs -----------------------------------------------------------------------------------


@pytest.mark.matrix
def test_a_culprit_gets_one_round_with_the_evidence_and_is_left_out_then(
    double: Double, tmp_path: Path
) -> None:
    house = build(double, tmp_path, check_sh=CHECK)
    issue = house.open_issue("apple", "pear")
    first = house.ask(issue).hold()
    left = [name for name, one in tasks(house, first).items() if one.state is TaskState.LEFT_OUT]
    assert len(left) == 1
    assert [dict(run.inputs) for run in house.dispatched] == [
        {"run": first.outputs["run"], "round": "2", "issue": "1"}
    ]
    assert "no room for both" not in told(house)
    assert issue.state == "open"

    second = house.follow(house.dispatched[-1]).hold()
    assert "An earlier attempt at this task failed" in told(house)
    assert "no room for both" in told(house)
    after = tasks(house, second)[left[0]]
    assert after.state.is_lost
    assert after.repairs == 1
    assert len(house.dispatched) == 1
    (failure,) = house.issues("failure")
    assert "no room for both" in (failure.body or "")
    assert house.read(f"{left[0]}.txt") is None
    assert any(name.startswith(left[0]) for name in house.branches())


# --- limits ------------------------------------------------------------------------------------


def hold_limited(house: House, held: Round, *, resumes_at: float, cost: float = 0.0) -> Round:
    """Run a round in which a usage limit stops all tasks."""
    held.plan()
    held.work()
    for share in held.artifacts.glob("concertmaster-work-*"):
        change_results(share, resumes_at=resumes_at, cost=cost)
    held.verify()
    held.finalize()
    return held


def change_results(share: Path, *, resumes_at: float, cost: float) -> None:
    path = share / "results.json"
    results = json.loads(path.read_text())
    for one in results["tasks"]:
        one |= {"state": TaskState.WAITING, "outcome": Outcome.LIMITED, "resumes_at": resumes_at}
        one |= {"head": "", "work": "", "bundle": "", "sha256": "", "reason": "usage limit"}
        one["usage"] |= {"cost_usd": cost}
    path.write_text(json.dumps(results))


@pytest.mark.matrix
def test_a_limited_run_goes_on_when_the_limit_ends_and_that_is_not_counted(
    double: Double, tmp_path: Path
) -> None:
    house = build(double, tmp_path)
    issue = house.open_issue("apple", "pear")
    ends = double.clock.seconds() + 5 * 3600
    first = hold_limited(house, house.ask(issue), resumes_at=ends)
    run = first.outputs["run"]
    history = house.history(run)
    assert history.due is not None
    assert history.due.at == ends
    assert (house.issues("failure"), issue.state) == ([], "open")

    strike(house)
    double.clock.advance(4 * 3600)
    strike(house)
    assert house.dispatched == []
    double.clock.advance(3600 + 60)
    strike(house)
    assert [dict(one.inputs) for one in house.dispatched] == [
        {"run": run, "round": "2", "issue": "1"}
    ]

    house.follow(house.dispatched[-1]).hold()
    history = house.history(run)
    assert (history.own_rounds, history.due) == (0, None)
    assert house.read("apple.txt") == "apple\n"
    assert issue.state == "closed"


@pytest.mark.matrix
def test_a_round_has_what_is_left_of_the_budget_and_none_begins_without(
    double: Double, tmp_path: Path
) -> None:
    house = build(double, tmp_path)
    held = house.ask(house.open_issue("apple"), "/orchestrate budget=10")
    hold_limited(house, held, resumes_at=0.0, cost=6.0)
    double.clock.advance(2 * 3600)
    strike(house)
    second = hold_limited(house, house.follow(house.dispatched[-1]), resumes_at=0.0, cost=3.0)
    assert budget_of(second) == pytest.approx(4.0)
    assert house.history(held.outputs["run"]).due is not None

    double.clock.advance(2 * 3600)
    strike(house)
    third = hold_limited(house, house.follow(house.dispatched[-1]), resumes_at=0.0, cost=1.0)
    assert budget_of(third) == pytest.approx(1.0)
    assert house.history(held.outputs["run"]).due is None
    double.clock.advance(2 * 3600)
    strike(house)
    assert len(house.dispatched) == 2


def budget_of(held: Round) -> float:
    found: Any = json.loads((held.artifacts / "concertmaster-plan" / "plan.json").read_text())
    budget: float = found["settings"]["budget_usd"]
    return budget


# --- cancelled ---------------------------------------------------------------------------------


@pytest.mark.matrix
def test_a_cancelled_run_lands_nothing_keeps_all_and_goes_on_when_a_person_asks(
    double: Double, tmp_path: Path
) -> None:
    house = build(double, tmp_path)
    issue = house.open_issue("apple", "pear")
    held = house.ask(issue, max_parallel=2, slots=1)
    held.plan()
    held.work(without=(1,))
    tip = house.tip()
    held.finalize(cancelled=True)
    held.finalize(cancelled=True)

    assert house.tip() == tip
    kept = {name.rpartition("-")[0] for name in house.branches()} - {""}
    (done,) = kept
    run = held.outputs["run"]
    branch = next(name for name in house.branches() if name.startswith(done))
    assert house.read(f"{done}.txt", branch=f"concertmaster/{run}/{branch}") == f"{done}\n"
    assert [one for one, _ in house.repository.pulls()] == []
    history = house.history(run)
    assert (history.due, house.dispatched) == (None, [])
    reports = [one.body for one in issue.comments if "kind=report-" in one.body]
    assert len(reports) == 1
    assert "The run was cancelled, so nothing landed" in reports[0]
    labels = {
        label.name for child in house.issues("task") for label in house.repository.labels_of(child)
    }
    assert "concertmaster:running" not in labels
    assert "concertmaster:landed" not in labels
    assert all(child.state == "open" for child in house.issues("task"))
    assert json.loads(held.outputs["landed"]) == []

    house.ask(issue, "/orchestrate retry").hold()
    assert (house.read("apple.txt"), house.read("pear.txt")) == ("apple\n", "pear\n")
    assert issue.state == "closed"
    assert house.branches() == ["state"]
