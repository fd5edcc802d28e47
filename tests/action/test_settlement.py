"""Tests the rounds that the control job dispatches: for a settled pull request or when due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from concertmaster.action.control import control
from concertmaster.action.due_rounds import FORGOTTEN_SECONDS
from concertmaster.action.plan.job import plan
from concertmaster.github.labels import RUNNING
from concertmaster.model import TaskState
from tests.action.past_runs import RUN, TASK, due, keep, make_history, open_pull
from tests.action.rounds import CALLER, WORKFLOW, House, Round
from tests.github.double import Double
from tests.github.people import Role
from tests.github.state import Issue


@pytest.fixture
def house(double: Double, tmp_path: Path) -> House:
    """A repository with an issue that a run was started from."""
    house = House.build(double, tmp_path, {"apple": "# Write apple\n\nwrite apple.txt apple\n"})
    house.open_issue("apple")
    return house


def close(house: House, issue: Issue, *, ref: str = "refs/heads/main") -> Round:
    """Close the pull request as Eve and run the control job."""
    house.double.close(issue, user=house.eve)
    payload = house.double.pull_event(house.repository, issue, sender=house.eve)
    held = house.start("pull_request", payload)
    held.inputs["GITHUB_WORKFLOW_REF"] = f"ada/opera/{CALLER}@{ref}"
    assert control(held.job("control")) == 0
    return held


def strike(house: House) -> Round:
    """Run the control job of the hourly schedule."""
    held = house.start("schedule", {"schedule": "17 * * * *"})
    assert control(held.job("control")) == 0
    return held


def asked(house: House) -> list[Mapping[str, str]]:
    """Return the inputs of all dispatched runs."""
    return [dict(run.inputs) for run in house.dispatched]


# --- a pull request was closed -----------------------------------------------------------------


@pytest.mark.parametrize("ref", ["refs/heads/main", "refs/pull/2/merge"])
def test_a_closed_pull_request_that_a_task_waits_for_begins_a_round(house: House, ref: str) -> None:
    issue = open_pull(house)
    keep(house, make_history(house, pull=issue.number))
    close(house, issue, ref=ref)
    assert asked(house) == [{"run": RUN, "round": "2", "issue": "1"}]


def test_the_one_pull_request_of_a_whole_run_begins_a_round(house: House) -> None:
    issue = open_pull(house, branch=f"concertmaster/{RUN}/landing")
    history = replace(make_history(house), pull=issue.number)
    keep(house, history)
    close(house, issue)
    assert asked(house) == [{"run": RUN, "round": "2", "issue": "1"}]


def test_a_pull_request_of_anybody_else_begins_nothing(house: House) -> None:
    mallory = house.double.add_user("Mallory")
    ours = open_pull(house)
    keep(house, make_history(house, pull=ours.number))
    forged = open_pull(house, by=mallory, branch=f"concertmaster/{RUN}/other-0002")
    plain = open_pull(house, by=mallory, branch="feature", marked=False)
    for issue in (forged, plain):
        close(house, issue)
    assert asked(house) == []


def test_a_fork_with_a_branch_named_like_ours_begins_nothing(house: House) -> None:
    mallory = house.double.add_user("Mallory")
    fork = house.double.add_repository("mallory/opera", source=house.repository.folder)
    house.double.give_role(fork, mallory, Role.ADMIN)
    keep(house, make_history(house, pull=2))
    close(house, open_pull(house, by=mallory, fork=fork))
    assert asked(house) == []


def test_a_mark_that_names_another_run_than_the_branch_begins_nothing(house: House) -> None:
    issue = open_pull(house, branch=f"concertmaster/i9-c9/{TASK}")
    keep(house, make_history(house, pull=issue.number))
    keep(house, make_history(house, "i9-c9", pull=issue.number))
    close(house, issue)
    assert asked(house) == []


@pytest.mark.parametrize("state", [TaskState.LANDED, TaskState.FAILED, TaskState.SUCCEEDED])
def test_a_pull_request_that_no_task_waits_for_begins_nothing(
    house: House, state: TaskState
) -> None:
    issue = open_pull(house)
    keep(house, make_history(house, state=state, pull=issue.number))
    held = close(house, issue)
    assert asked(house) == []
    assert f"no task of run {RUN} waits for #{issue.number}" in held.said


def test_a_pull_request_of_a_run_that_nobody_knows_begins_nothing(house: House) -> None:
    close(house, open_pull(house))
    assert asked(house) == []


# --- the hourly schedule -----------------------------------------------------------------------


@pytest.mark.matrix
def test_what_is_due_begins_and_what_is_due_later_does_not(house: House) -> None:
    keep(house, make_history(house, "i1-c5", due=due(house, seconds=-5)))
    keep(house, make_history(house, "i1-c6", due=due(house, seconds=-3600, number=4)))
    keep(house, make_history(house, "i1-c7", due=due(house, seconds=1800)))
    keep(house, make_history(house, "i1-c8"))
    strike(house)
    expected = [
        {"run": "i1-c5", "round": "2", "issue": "1"},
        {"run": "i1-c6", "round": "4", "issue": "1"},
    ]
    assert sorted(asked(house), key=lambda one: one["run"]) == expected

    before = len(house.dispatched)
    house.double.clock.advance(1900)
    strike(house)
    assert {"run": "i1-c7", "round": "2", "issue": "1"} in asked(house)[before:]


@pytest.mark.parametrize("data", ["{", '{"version": 99}'])
def test_a_broken_state_branch_of_one_run_does_not_stop_the_others(house: House, data: str) -> None:
    for run in ("i1-c4", "i1-c6"):
        keep(house, make_history(house, run), data=data)
    keep(house, make_history(house, "i1-c5", due=due(house, seconds=-5)))
    held = strike(house)
    assert asked(house) == [{"run": "i1-c5", "round": "2", "issue": "1"}]
    assert "run i1-c4 is left alone" in held.said


def test_a_round_that_goes_on_is_not_begun_again(house: House) -> None:
    keep(house, make_history(house, due=due(house, seconds=-5)))
    house.double.label_event(
        house.repository, house.repository.issues[1], name=RUNNING, sender=house.eve
    )
    held = strike(house)
    assert asked(house) == []
    assert f"a round of {RUN} is going on" in held.said


def test_what_nobody_could_begin_for_days_waits_for_a_person(house: House) -> None:
    keep(house, make_history(house, due=due(house, seconds=-FORGOTTEN_SECONDS - 60)))
    strike(house)
    assert asked(house) == []


def test_a_run_whose_issue_is_gone_is_left_alone(house: House) -> None:
    keep(house, make_history(house, "i7-c5", due=due(house, seconds=-5), parent=77))
    keep(house, make_history(house, due=due(house, seconds=-5)))
    strike(house)
    assert asked(house) == [{"run": RUN, "round": "2", "issue": "1"}]


@pytest.mark.matrix
def test_two_dispatches_of_one_round_hold_it_once(house: House) -> None:
    waiting = make_history(house, state=TaskState.WAITING, due=due(house, seconds=-5))
    keep(house, waiting)
    strike(house)
    strike(house)
    first, *more = [house.follow(run) for run in house.dispatched]
    first.hold()
    for late in more:
        assert plan(late.job("plan")) == 0
        assert late.outputs["count"] == "0"
        assert late.outputs["run"] == ""
    assert house.history(RUN).round == 2


# --- failed dispatches -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["on: issue_comment\n", WORKFLOW.replace("      round: {type: string, required: true}\n", "")],
)
def test_a_workflow_that_takes_no_dispatch_is_told_what_to_add(house: House, text: str) -> None:
    house.double.commit(house.repository, "main", {CALLER: text})
    keep(house, make_history(house, due=due(house, seconds=-5)))
    held = strike(house)
    assert asked(house) == []
    summary = (held.workflow.folder / "summary.md").read_text()
    assert "workflow_dispatch:" in summary
    assert "round:" in summary


def test_a_token_that_may_not_dispatch_is_told_so(house: House) -> None:
    keep(house, make_history(house, due=due(house, seconds=-5)))
    held = house.start("schedule", {"schedule": "17 * * * *"})
    job = held.job("control")
    weak = house.double.workflow_token(
        house.repository, {"contents": "read", "issues": "write", "actions": "read"}
    )
    secret = type(job.settings.github_token)(weak)
    weak_job = replace(job, settings=job.settings.model_copy(update={"github_token": secret}))
    assert control(weak_job) == 0
    assert asked(house) == []
    assert "cannot be started" in held.said
