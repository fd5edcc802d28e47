"""From a comment to child issues, a plan and a matrix."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from concertmaster.engine import actions
from concertmaster.errors import UsageError
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
