"""From a comment to child issues, a plan and a matrix."""

from __future__ import annotations

import json
from collections.abc import Callable

from concertmaster.engine import actions
from tests.github.double import Double
from tests.github.state import Repository
from tests.jobs.workflow import Workflow

LIST = "- prompts/apple.md\n- `prompts/pear.md`\n- [ ] prompts/plum.md\n"


def test_a_comment_becomes_child_issues_links_labels_a_plan_and_a_matrix(
    comment: Callable[..., Workflow], repository: Repository, double: Double
) -> None:
    workflow = comment("/orchestrate", issue_body=LIST)

    assert actions.plan(workflow.job()) == 0

    print(workflow.said.getvalue())
    issues = {one.title: one for one in repository.issues.values()}
    assert set(issues) == {"Fruit", "Write apple.txt", "Write pear.txt", "Write plum.txt"}
    print(issues["Write plum.txt"].body)
    for c in issues["Fruit"].comments:
        print(c.body)
    outputs = workflow.outputs
    assert outputs["count"] == "2"
    assert json.loads(outputs["shares"]) == [0, 1]


def test_planning_again_makes_nothing_twice(
    comment: Callable[..., Workflow], repository: Repository
) -> None:
    workflow = comment("/orchestrate", issue_body=LIST)
    actions.plan(workflow.job())
    before = len(repository.issues), sum(len(i.comments) for i in repository.issues.values())
    actions.plan(workflow.job())
    after = len(repository.issues), sum(len(i.comments) for i in repository.issues.values())
    assert after == before
