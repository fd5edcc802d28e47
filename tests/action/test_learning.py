"""Tests that a plan learns from state branches of earlier runs, whatever they hold."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from concertmaster.action.plan import plan_round
from concertmaster.model import TaskState
from concertmaster.planning.estimates import Profile
from concertmaster.rounds.history import History, by_name
from concertmaster.rounds.state_branch import choose_newest
from concertmaster.settings.choices import LEAN_PHASES
from tests.action.past_runs import keep, make_history
from tests.action.rounds import House, Round
from tests.github.calls import Call
from tests.github.double import Double

NAMES = ("apple", "pear", "plum", "fig", "quince")
BY_SIZE = 600


@pytest.fixture
def house(double: Double, tmp_path: Path) -> House:
    prompts = {name: f"# Write {name}\n\nwrite {name}.txt {name}\n" for name in NAMES}
    return House.build(double, tmp_path, prompts)


def ask(house: House, *names: str) -> Round:
    return house.ask(house.open_issue(*names))


def planned(held: Round) -> dict[str, Any]:
    """Return plan.json of the artifact."""
    file = held.artifacts / "concertmaster-plan" / "plan.json"
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def plan_comment(house: House) -> str:
    issue = max(house.repository.issues.values(), key=lambda one: one.number * bool(one.comments))
    return next(one.body for one in issue.comments if "kind=plan" in one.body)


def calls_of_plan(held: Round) -> list[Call]:
    log = held.workflow.double.log
    log.clear()
    held.plan()
    return [*log]


def api_calls(calls: list[Call]) -> list[str]:
    return [call.method for call in calls if ".git/" not in call.path]


def teach(house: House, run: str, *, seconds: float, **more: Any) -> History:
    """Put a run on its state branch whose three tasks landed and took these seconds."""
    made = make_history(house, run, state=TaskState.LANDED, **more)
    (task,) = made.tasks.values()
    profile = Profile(prompt="old.md", paths=0, agent="command", phases=LEAN_PHASES)
    tasks = by_name(
        replace(task, task=f"old-{number}", seconds=seconds, profile=profile) for number in range(3)
    )
    history = replace(made, tasks=tasks)
    keep(house, history)
    return history


@pytest.mark.matrix
def test_a_second_run_is_planned_by_what_the_first_has_taken(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ask(house, "apple", "pear", "plum").hold()
    assert {task["estimate_seconds"] for task in planned(first)["tasks"]} == {BY_SIZE}

    learned = ask(house, "fig")
    calls = calls_of_plan(learned)
    made = planned(learned)

    (task,) = made["tasks"]
    assert task["estimate_reason"].startswith("the median of 3 tasks of 1 past run (")
    assert 0.1 <= task["estimate_seconds"] < 60
    said = plan_comment(house)
    assert "1 by the median of 3 tasks of 1 past run (" in said
    assert "Predicted cost: unknown (" in said  # the agent reports no cost

    monkeypatch.setattr(plan_round, "MOST_PAST_RUNS", 0)
    ignorant = ask(house, "quince")
    others = calls_of_plan(ignorant)
    assert planned(ignorant)["tasks"][0]["estimate_reason"].startswith("the size of the footprint")
    assert api_calls(others) == api_calls(calls)
    assert len(calls) - len(others) <= 3  # one fetch of git makes at most three requests


@pytest.mark.matrix
def test_a_further_round_is_planned_by_what_others_have_taken(house: House) -> None:
    house.double.commit(house.repository, "main", {"prompts/fig.md": "# Write fig\n\nfail\n"})
    issue = house.open_issue("fig")
    house.ask(issue).hold()
    ask(house, "apple", "pear", "plum").hold()

    again = house.ask(issue, "/orchestrate retry")
    again.plan()

    (task,) = planned(again)["tasks"]
    assert "3 tasks of 1 past run" in task["estimate_reason"]


BROKEN = {
    "no JSON": "{",
    "no history": "{}",
    "another version": '{"version": 99}',
    "nested": "[" * 100_000,
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_a_state_branch_that_cannot_be_understood_is_passed_over(house: House, data: str) -> None:
    teach(house, "i1-c1", seconds=60.0)
    keep(house, make_history(house, "i1-c9"), data=data)

    held = ask(house, "apple")
    held.plan()

    assert "3 tasks of 1 past run" in planned(held)["tasks"][0]["estimate_reason"]


@pytest.mark.parametrize("seconds", [0.0, 1e14])
def test_numbers_that_no_run_makes_are_not_believed(house: House, seconds: float) -> None:
    teach(house, "i1-c1", seconds=seconds)

    held = ask(house, "apple")
    held.plan()

    assert planned(held)["tasks"][0]["estimate_seconds"] == BY_SIZE


def test_a_history_that_lies_on_the_branch_of_another_run_is_not_counted_twice(
    house: House,
) -> None:
    copied = teach(house, "i1-c1", seconds=60.0)
    text = house.read("history.json", branch="concertmaster/i1-c1/state")
    keep(house, replace(copied, run="i1-c2"), data=text or "")

    held = ask(house, "apple")
    held.plan()

    assert "3 tasks of 1 past run" in planned(held)["tasks"][0]["estimate_reason"]


def test_where_the_branches_cannot_be_had_the_plan_is_made_without(
    house: House,
) -> None:
    teach(house, "i1-c1", seconds=60.0)
    held = ask(house, "apple")
    bare = house.double.git(house.repository)
    lost = bare.text("rev-parse", "concertmaster/i1-c1/state:history.json").strip()
    folder = Path(bare.text("rev-parse", "--absolute-git-dir").strip())
    (folder / "objects" / lost[:2] / lost[2:]).unlink()

    held.plan()

    assert "nothing is learned from past runs" in held.said
    assert planned(held)["tasks"][0]["estimate_seconds"] == BY_SIZE


def test_the_newest_runs_come_first_whether_comments_or_workflows_started_them() -> None:
    runs = ["i9-c3", "w7", "i1-c20", "i2-w100", "someone", "x1-c9", "c5-", "i3-c4", f"w{'9' * 30}"]

    assert choose_newest(runs, most=20) == ("i1-c20", "i2-w100", "i3-c4", "w7", "i9-c3")
    assert choose_newest(runs, most=3) == ("i1-c20", "i2-w100", "i3-c4")
    assert choose_newest([], most=3) == ()
