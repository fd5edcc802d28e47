"""Events that start a workflow, and a workflow with a single job."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Built, git
from tests.e2e.planned import FILES, PLAN, check_planned

pytestmark = pytest.mark.e2e


def test_a_label_starts_a_run(build_stage: Built) -> None:
    stage = build_stage("label", FILES, example="labels.yml", jobs=PLAN)
    issue = stage.open_issue("apple")
    payload = stage.double.label_event(
        stage.repository, issue, name="orchestrate", sender=stage.eve
    )
    check_planned(stage.start("issues", payload))


def test_the_clock_starts_a_run(build_stage: Built) -> None:
    stage = build_stage("schedule", FILES, example="schedule.yml", jobs=PLAN)
    payload = {"schedule": "23 2 * * 1-5"}
    check_planned(stage.start("schedule", payload, actor=stage.repository.owner))


def test_a_person_starts_a_run_by_hand(build_stage: Built) -> None:
    stage = build_stage("dispatch", FILES, example="workflow-dispatch.yml", jobs=PLAN)
    payload = {
        "inputs": {"prompts": "prompts/apple.md"},
        "ref": "refs/heads/main",
        "sender": {"login": "Eve", "type": "User"},
    }
    check_planned(stage.start("workflow_dispatch", payload))


def test_one_job_does_it_all_for_a_repository_that_only_names_the_action(
    build_stage: Built,
) -> None:
    stage = build_stage("market", FILES, example="marketplace.yml")
    stage.model.scripts = {"Write apple.txt": "echo apple > apple.txt"}
    issue = stage.open_issue("apple")
    ran = stage.ask(issue)
    assert ran.code == 0, ran.log
    assert git(stage, "show", "main:apple.txt") == "apple"
    assert issue.state == "closed"
