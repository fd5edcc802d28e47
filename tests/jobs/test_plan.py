"""From a comment to child issues, a plan and a matrix."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from concertmaster.engine import actions
from concertmaster.errors import UsageError
from tests.github.double import Double
from tests.github.people import User
from tests.github.state import Repository
from tests.jobs.workflow import Workflow

LIST = "- prompts/apple.md\n- `prompts/pear.md`\n- [ ] prompts/plum.md\n"


def test_a_comment_becomes_child_issues_links_labels_a_plan_and_a_matrix(
    comment: Callable[..., Workflow], repository: Repository
) -> None:
    workflow = comment("/orchestrate", issue_body=LIST)

    assert actions.plan(workflow.job()) == 0

    issues = {one.title: one for one in repository.issues.values()}
    assert set(issues) == {"Fruit", "Write apple.txt", "Write pear.txt", "Write plum.txt"}
    assert "needs pear" in (issues["Write plum.txt"].body or "")
    assert workflow.outputs["count"] == "1"  # three tasks fit into the slots of one job
    assert json.loads(workflow.outputs["shares"]) == [0]
    assert len(workflow.outputs["plan_sha256"]) == 64


def test_a_dry_run_shows_the_plan_and_starts_nothing(
    comment: Callable[..., Workflow], repository: Repository
) -> None:
    workflow = comment("/orchestrate plan", issue_body=LIST)

    assert actions.plan(workflow.job()) == 0

    assert len(repository.issues) == 1
    assert "dry run" in repository.issues[1].comments[-1].body
    assert workflow.outputs["count"] == "0"


def test_what_cannot_be_planned_is_answered_and_fails_the_job(
    comment: Callable[..., Workflow], repository: Repository
) -> None:
    workflow = comment("/orchestrate", issue_body="- prompts/missing.md\n")

    with pytest.raises(UsageError, match="is no file of the target branch"):
        actions.plan(workflow.job())

    assert "prompts/missing.md" in repository.issues[1].comments[-1].body
    assert workflow.outputs["count"] == "0"


def test_planning_again_makes_nothing_twice(
    comment: Callable[..., Workflow], repository: Repository
) -> None:
    workflow = comment("/orchestrate", issue_body=LIST)
    actions.plan(workflow.job())
    before = len(repository.issues), sum(len(i.comments) for i in repository.issues.values())
    actions.plan(workflow.job())
    after = len(repository.issues), sum(len(i.comments) for i in repository.issues.values())
    assert after == before


def test_an_older_list_of_bare_names_is_found_below_prompts(
    comment: Callable[..., Workflow], repository: Repository
) -> None:
    body = "Execute these specific prompts in parallel:\n- apple.md\n- pear.md\n"
    actions.plan(comment("/orchestrate", issue_body=body).job())
    titles = {one.title for one in repository.issues.values()}
    assert {"Write apple.txt", "Write pear.txt"} < titles


def test_a_label_starts_a_run_of_the_issue_it_is_put_on(
    comment: Callable[..., Workflow], repository: Repository, double: Double, eve: User
) -> None:
    workflow = comment("unrelated", issue_body=LIST)
    issue = repository.issues[1]
    workflow.event = "issues"
    workflow.payload = double.label_event(repository, issue, name="orchestrate", sender=eve)
    assert actions.plan(workflow.job()) == 0
    assert workflow.outputs["run"] == "i1-w7001"
    assert len(repository.issues) == 4


@pytest.mark.parametrize("event", ["workflow_dispatch", "push"])
def test_a_dispatch_or_a_call_gets_a_parent_issue_of_ours(
    comment: Callable[..., Workflow], repository: Repository, eve: User, event: str
) -> None:
    workflow = comment("unrelated")
    workflow.event = event
    workflow.payload = {"sender": {"login": eve.login, "type": "User"}}
    inputs = {"prompts": "prompts/apple.md\n- prompts/pear.md"}
    assert actions.plan(workflow.job(**inputs)) == 0
    assert actions.plan(workflow.job(**inputs)) == 0  # run again: no second parent
    parents = [one for one in repository.issues.values() if "kind=parent" in (one.body or "")]
    assert [one.title for one in parents] == ["Concertmaster run w7001"]
    assert len(repository.issues) == 4


def test_a_schedule_takes_its_prompts_from_the_settings_file(
    comment: Callable[..., Workflow], repository: Repository, double: Double
) -> None:
    settings = (
        "check: sh check.sh\nagent_command: sh agent.sh\nschedule: [prompts/plum.md, pear.md]\n"
    )
    double.commit(repository, "main", {"concertmaster.yml": settings})
    workflow = comment("unrelated")
    workflow.event, workflow.payload = "schedule", {"schedule": "0 3 * * *"}
    assert actions.plan(workflow.job()) == 0
    titles = {one.title for one in repository.issues.values()}
    assert titles == {"Fruit", "Concertmaster run w7001", "Write plum.txt", "Write pear.txt"}


def test_a_single_task_cannot_be_tried_again_yet_and_that_is_said(
    comment: Callable[..., Workflow], repository: Repository
) -> None:
    actions.plan(comment("/orchestrate retry", issue_body=LIST).job())
    assert "cannot try single tasks again" in repository.issues[1].comments[-1].body
    assert len(repository.issues) == 1
