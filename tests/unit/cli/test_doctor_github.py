"""Settings of a repository, and what the doctor says that they stop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from concertmaster.cli.doctor_github import is_allowed, judge_policies
from concertmaster.github.policies import Policies, WorkflowFile
from concertmaster.github.rulesets import BranchRule
from concertmaster.settings.action_source import ActionSource

ROOT = Path(__file__).parents[3]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def minimal(ref: str = COMMIT) -> WorkflowFile:
    text = (ROOT / "examples/minimal.yml").read_text()
    filled = ActionSource(repository="octo/music", ref=ref).fill(text)
    return WorkflowFile(path=".github/workflows/o.yml", state="active", text=filled)


FIT = Policies(
    repository={"full_name": "ada/opera", "default_branch": "main", "owner": {"type": "User"}},
    permissions={"enabled": True, "allowed_actions": "all"},
    workflow_permissions={"can_approve_pull_request_reviews": True},
    workflows=(minimal(),),
    secrets=frozenset({"ANTHROPIC_API_KEY"}),
)


def selected(*patterns: str, github: bool = True) -> dict[str, Any]:
    return {
        "permissions": {"enabled": True, "allowed_actions": "selected"},
        "selected_actions": {"github_owned_allowed": github, "patterns_allowed": [*patterns]},
    }


def bad(policies: Policies) -> dict[str, str]:
    """Return words and next step of what is not fine, by name."""
    found = [one for one in judge_policies(policies) if not one.is_fine]
    assert [one.name for one in found if not one.next_step] == []
    return {one.name: f"{one.words} -> {one.next_step}" for one in found}


def test_where_nothing_is_in_the_way_all_is_fine() -> None:
    assert bad(FIT) == {}
    assert {one.name for one in judge_policies(FIT)} == {
        *("repository", "allowed actions", "pull requests", "workflow", "secrets"),
        *("branch rules", "events"),
    }


@pytest.mark.parametrize(
    ("changed", "name", "words"),
    [
        ({"permissions": {"enabled": False}}, "actions", "no trigger starts"),
        (selected("octo/*", github=False), "allowed actions", "actions/upload-artifact;"),
        (selected("else/*"), "allowed actions", "octo/music/.github/workflows/control.yml"),
        (
            {"permissions": {"enabled": True, "allowed_actions": "local_only"}},
            "allowed actions",
            "octo/music",
        ),
        (
            {
                "permissions": {"enabled": True, "sha_pinning_required": True},
                "workflows": (minimal("v1"),),
            },
            "pinning",
            "octo/music/.github/workflows/orchestrate.yml@v1",
        ),
        ({"workflow_permissions": {}}, "pull requests", "organisation"),
        ({"workflows": ()}, "workflow", "init --github"),
        (
            {"workflows": (replace(minimal(), state="disabled_inactivity"),)},
            "workflow",
            "Enable workflow",
        ),
        (
            {"workflows": (replace(minimal(), text="/orchestrate\n issue_comment:\n"),)},
            "rounds",
            "workflow_dispatch",
        ),
        ({"secrets": frozenset()}, "secrets", "gh secret set ANTHROPIC_API_KEY"),
        ({"rules": (BranchRule(type="pull_request"),)}, "branch rules", "through a pull request"),
        (
            {
                "workflows": (replace(minimal(), text=minimal().text + "    environment: live\n"),),
                "environments": {"live": ("required_reviewers",), "other": ("wait_timer",)},
            },
            "environment",
            "live wait for: required_reviewers",
        ),
        ({"repository": {"archived": True}}, "repository", "archived"),
        ({"repository": {"has_issues": False}}, "repository", "no issues"),
        ({"unread": {"actions_policies": "Not Found"}}, "events", "Not Found. One that forbids"),
        ({"unread": {"secrets": "Must have admin rights"}}, "secrets", "Must have admin rights"),
        ({"unread": {"permissions": "Not Found"}}, "permissions", "Not Found"),
    ],
)
def test_each_rule_that_stops_something_has_a_place_to_change_it(
    changed: dict[str, Any], name: str, words: str
) -> None:
    found = bad(replace(FIT, **changed))

    assert [*found] == [name]
    assert words in found[name]


@pytest.mark.parametrize(
    ("name", "patterns", "allowed"),
    [
        ("octo/music@v1", ["octo/*"], True),
        ("octo/music/.github/workflows/x.yml@v1", ["Octo/*"], True),
        ("octo/music@v1", ["octo/music@v1"], True),
        ("octo/music@v1", ["octo/music"], True),
        ("octo/music@v2", ["octo/music@v1"], False),
        ("octo/music@v1", ["*"], True),
        ("octo/music@v1", ["*", "!octo/music@*"], False),
        ("octopus/music@v1", ["octo/*"], False),
        ("actions/checkout@v1", [], True),
        ("actions/checkout@v1", ["!actions/checkout@*"], False),
        ("ada/own@v1", [], True),
    ],
)
def test_the_list_of_allowed_actions_is_read_as_github_does(
    name: str, patterns: list[str], allowed: bool
) -> None:
    assert is_allowed(name, replace(FIT, **selected(*patterns))) is allowed


def test_one_key_of_the_agent_is_enough() -> None:
    text = minimal().text + "x: ${{ secrets.CLAUDE_CODE_OAUTH_TOKEN }}\n"
    assert bad(replace(FIT, workflows=(replace(minimal(), text=text),))) == {}


def test_secrets_of_called_workflows_and_of_comments_are_not_asked_for() -> None:
    called = (ROOT / ".github/workflows/orchestrate.yml").read_text()
    commented = minimal().text + "# x: ${{ secrets.OTHER }}\n"
    workflows = (
        replace(minimal(), text=commented),
        replace(minimal(), text=f"# /orchestrate\n{called}".replace("$/", "octo/music/")),
    )
    assert bad(replace(FIT, workflows=workflows)) == {}
