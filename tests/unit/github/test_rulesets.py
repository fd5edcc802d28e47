"""The rules of a branch tell whether a push is possible."""

from __future__ import annotations

from typing import Any

import pytest

from concertmaster.github.issues import IssueClient
from concertmaster.github.rulesets import BranchRule
from tests.unit.github.answers import REPOSITORY, Registry, refuse


def answer_rules(github: Registry, *rules: dict[str, Any]) -> None:
    github.get(f"{REPOSITORY}/rules/branches/release%2F1", json=list(rules))


def test_the_rules_of_a_branch_are_read(github: Registry, issue_client: IssueClient) -> None:
    reviews = {"required_approving_review_count": 1}
    rule = {"type": "pull_request", "parameters": reviews, "ruleset_id": 5}
    answer_rules(github, rule, {"type": "deletion"})

    assert issue_client.rules("release/1") == (
        BranchRule(type="pull_request", parameters=reviews),
        BranchRule(type="deletion"),
    )


def test_a_server_without_rules_has_none(github: Registry, issue_client: IssueClient) -> None:
    url = f"{REPOSITORY}/rules/branches/main"
    github.get(url, status=404, json=refuse("Not Found"))

    assert issue_client.forbids_push("main") == ""


def test_a_linear_history_is_no_obstacle_for_commits_without_merges(
    github: Registry, issue_client: IssueClient
) -> None:
    answer_rules(github, {"type": "required_linear_history"})

    assert issue_client.forbids_push("release/1", has_merges=False) == ""


CHECKS = {"required_status_checks": [{"context": "ci"}]}


@pytest.mark.parametrize(
    ("kind", "parameters", "reason"),
    [
        ("pull_request", {}, "pull request"),
        ("merge_queue", {}, "merge queue"),
        ("update", {}, "nobody may push"),
        ("required_status_checks", CHECKS, "status checks"),
        ("required_signatures", {}, "signed"),
        ("required_linear_history", {}, "merge commits"),
        ("required_deployments", {}, "deployed"),
        ("workflows", {}, "workflows"),
        ("code_scanning", {}, "code scanning"),
    ],
)
def test_a_rule_that_a_push_would_break_forbids_it(
    github: Registry, issue_client: IssueClient, kind: str, parameters: dict[str, Any], reason: str
) -> None:
    answer_rules(github, {"type": "deletion"}, {"type": kind, "parameters": parameters})

    assert reason in issue_client.forbids_push("release/1")


@pytest.mark.parametrize(
    "rule",
    [
        {"type": "non_fast_forward"},
        {"type": "deletion"},
        {"type": "creation"},
        {"type": "required_status_checks", "parameters": {"required_status_checks": []}},
        {"type": "max_file_size", "parameters": {"max_file_size": 5}},
        {"type": "of a later time", "parameters": None},
    ],
)
def test_any_other_rule_leaves_it_to_the_push(
    github: Registry, issue_client: IssueClient, rule: dict[str, Any]
) -> None:
    answer_rules(github, rule)

    assert issue_client.forbids_push("release/1") == ""
