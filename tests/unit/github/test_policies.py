"""Settings of a repository are read one by one; what may not be read is told."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest

from concertmaster.errors import EnvironmentFault
from concertmaster.github.actions_policies import ActionsPolicy, read_policy
from concertmaster.github.client import Client
from concertmaster.github.connection import NEWER_API_VERSION, Connection
from concertmaster.github.policies import PolicyReader, WorkflowFile
from concertmaster.github.rulesets import BranchRule
from tests.unit.github.answers import REPOSITORY, Clock, Registry, refuse

PATH = ".github/workflows/orchestrate.yml"
TEXT = "uses: octo/music/.github/workflows/orchestrate.yml@v1\n"
REPO: dict[str, Any] = {
    "full_name": "ada/opera",
    "default_branch": "release/1",
    "owner": {"login": "ada", "type": "User"},
    "has_issues": True,
    "archived": False,
}
SELECTED = {"github_owned_allowed": True, "verified_allowed": False, "patterns_allowed": ["o/*"]}
# The answers of GitHub's documentation, by path below the repository.
ANSWERS: dict[str, Any] = {
    "/actions/permissions": {
        "enabled": True,
        "allowed_actions": "selected",
        "selected_actions_url": "https://x",
        "sha_pinning_required": False,
    },
    "/actions/permissions/selected-actions": SELECTED,
    "/actions/permissions/workflow": {
        "default_workflow_permissions": "read",
        "can_approve_pull_request_reviews": True,
    },
    "/actions/workflows": {
        "total_count": 2,
        "workflows": [
            {"id": 1, "path": PATH, "state": "active"},
            {"id": 2, "path": "dynamic/pages/build", "state": "active"},
        ],
    },
    f"/contents/{PATH}": {"content": base64.encodebytes(TEXT.encode()).decode()},
    "/actions/secrets": {"total_count": 1, "secrets": [{"name": "ANTHROPIC_API_KEY"}]},
    "/actions/organization-secrets": {"total_count": 1, "secrets": [{"name": "SHARED"}]},
    "/rules/branches/release%2F1": [{"type": "pull_request", "ruleset_id": 5}],
    "/environments": {
        "total_count": 1,
        "environments": [{"name": "live", "protection_rules": [{"type": "wait_timer"}]}],
    },
    "/actions/policies": {
        "total_count": 3,
        "policies": [
            {"id": 1, "name": "Events", "source_type": "Organization", "enforcement": "active"},
            {"id": 2, "name": "Later", "source_type": "Organization", "enforcement": "evaluate"},
            {"id": 3, "name": "Off", "source_type": "Enterprise", "enforcement": "disabled"},
        ],
    },
    "/actions/policies/1": {
        "id": 1,
        "name": "Events",
        "target": "actions",
        "source_type": "Organization",
        "source": "opera-house",
        "enforcement": "active",
        "conditions": {"workflow_path": {"include": ["~ALL"], "exclude": [".github/workflows/x*"]}},
        "rules": [
            {
                "type": "restrict_actions_actors",
                "parameters": {"allowed_actors": [{"id": 9, "type": "Team"}]},
            },
            {"type": "restrict_action_events", "parameters": {"allowed_events": ["push"]}},
            {"type": "a_rule_of_tomorrow"},
        ],
    },
}
EVENTS = ActionsPolicy(
    name="Events",
    level="Organization",
    source="opera-house",
    events=frozenset({"push"}),
    lists_actors=True,
    without=(".github/workflows/x*",),
)
PARTS = {
    "/actions/permissions": "permissions",
    "/actions/permissions/selected-actions": "selected_actions",
    "/actions/permissions/workflow": "workflow_permissions",
    "/actions/workflows": "workflows",
    "/actions/secrets": "secrets",
    "/rules/branches/release%2F1": "rules",
    "/environments": "environments",
    "/actions/policies": "actions_policies",
    "/actions/policies/1": "actions_policies",
}


@pytest.fixture
def reader(clock: Clock) -> PolicyReader:
    connection = Connection(url="https://api.github.com", repository="ada/opera", token="ghp_x")
    newer = replace(connection, api_version=NEWER_API_VERSION)
    wire, newer_wire = (
        Client(one, clock=clock, told=lambda _: None) for one in (connection, newer)
    )
    return PolicyReader(wire, newer=newer_wire)


def answer(
    github: Registry,
    *,
    refused: str = "",
    status: int = 403,
    changed: dict[str, Any] | None = None,
) -> None:
    github.assert_all_requests_are_fired = False
    github.get(REPOSITORY, json=REPO)
    for path, found in {**ANSWERS, **(changed or {})}.items():
        if path == refused:
            github.get(REPOSITORY + path, status=status, json=refuse("Must have admin rights"))
        else:
            github.get(REPOSITORY + path, json=found)


def test_each_setting_is_read(github: Registry, reader: PolicyReader) -> None:
    answer(github)

    found = reader.read()

    assert found.unread == {}
    assert found.selected_actions.items() >= SELECTED.items()
    assert found.workflows == (WorkflowFile(path=PATH, state="active", text=TEXT),)
    assert found.secrets == {"ANTHROPIC_API_KEY", "SHARED"}
    assert found.rules == (BranchRule(type="pull_request"),)
    assert found.environments == {"live": ("wait_timer",)}
    assert found.actions_policies == (EVENTS,)


def test_policies_are_asked_for_with_those_of_the_organisation_in_the_version_that_has_them(
    github: Registry, reader: PolicyReader
) -> None:
    answer(github)
    reader.read()

    asked = [one.request for one in github.calls if "/actions/policies" in str(one.request.url)]
    assert {one.headers["X-GitHub-Api-Version"] for one in asked} == {NEWER_API_VERSION}
    assert "has_parents=true" in str(asked[0].url)
    assert len(asked) == 2  # the one that is enforced, and no other


def test_a_list_that_holds_the_rules_is_enough(github: Registry, reader: PolicyReader) -> None:
    whole = {"total_count": 1, "policies": [ANSWERS["/actions/policies/1"]]}
    answer(github, refused="/actions/policies/1", changed={"/actions/policies": whole})
    assert reader.read().actions_policies == (EVENTS,)


@pytest.mark.parametrize(
    ("condition", "path", "covered"),
    [
        (None, PATH, True),
        ({}, PATH, True),
        ({"include": [], "exclude": []}, PATH, True),
        ({"include": ["~ALL"], "exclude": []}, PATH, True),
        ({"include": ["~ALL"], "exclude": [PATH]}, PATH, False),
        ({"include": [".github/workflows/*.yml"]}, PATH, True),
        ({"include": [".github/workflows/ci.yml"]}, PATH, False),
        ({"include": ["~ALL"], "exclude": ["~ALL"]}, PATH, False),
    ],
)
def test_a_policy_counts_for_the_workflow_files_that_it_names(
    condition: dict[str, Any] | None, path: str, covered: bool
) -> None:
    found = {"name": "x", "rules": [], "conditions": {"workflow_path": condition}}
    assert read_policy(found).covers(path) is covered


def test_a_policy_without_a_rule_on_events_allows_all() -> None:
    for rules in ([], None, [{"type": "restrict_actions_actors"}]):
        assert read_policy({"name": "x", "rules": rules}).stopped(["push"]) == ()


@pytest.mark.parametrize("status", [403, 404, 409, 422])
@pytest.mark.parametrize("path", PARTS)
def test_what_may_not_be_read_is_told_and_the_rest_is_there(
    github: Registry, reader: PolicyReader, path: str, status: int
) -> None:
    answer(github, refused=path, status=status)

    found = reader.read()

    assert {*found.unread} == {PARTS[path]}
    assert "Must have admin rights" in found.unread[PARTS[path]]
    assert not getattr(found, PARTS[path])


def test_a_workflow_that_is_on_no_default_branch_has_no_text(
    github: Registry, reader: PolicyReader
) -> None:
    answer(github, refused=f"/contents/{PATH}", status=404)
    assert reader.read().workflows == (WorkflowFile(path=PATH, state="active", text=""),)


@pytest.mark.parametrize("status", [401, 404])
def test_without_the_repository_itself_there_is_an_error(
    github: Registry, reader: PolicyReader, status: int
) -> None:
    github.get(REPOSITORY, status=status, json=refuse("Not Found"))
    with pytest.raises(EnvironmentFault, match="could not read"):
        reader.read()
