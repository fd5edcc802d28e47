"""Reads the rules of a branch and decides whether they allow a push."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

# Rules that a push of new commits breaks, and what they demand.
_OBSTACLES = {
    "pull_request": "changes must come through a pull request",
    "merge_queue": "changes must come through the merge queue",
    "update": "nobody may push to it",
    "required_status_checks": "GitHub wants status checks, which a new commit cannot have",
    "required_signatures": "commits must be signed",
    "required_linear_history": "it may not contain merge commits",
    "required_deployments": "a commit must have been deployed first",
    "workflows": "required workflows must have passed",
    "code_scanning": "code scanning must have passed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchRule:
    """A rule of a ruleset, with GitHub's names for its type and parameters."""

    type: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


def read_rule(found: Mapping[str, Any]) -> BranchRule:
    parameters = found.get("parameters")
    return BranchRule(
        type=str(found.get("type") or ""),
        parameters=parameters if isinstance(parameters, dict) else {},
    )


def push_obstacle(rules: Iterable[BranchRule], *, has_merges: bool = True) -> str:
    """Return why a rule forbids pushing new commits to the branch, or "".

    `has_merges` says whether there are merges among the commits.
    """
    forbidding = (_OBSTACLES[rule.type] for rule in rules if _forbids_push(rule, has_merges))
    return next(forbidding, "")


def _forbids_push(rule: BranchRule, has_merges: bool) -> bool:
    if rule.type == "required_linear_history":
        return has_merges
    if rule.type == "required_status_checks":  # its list of checks may be empty
        return bool(rule.parameters.get("required_status_checks"))
    return rule.type in _OBSTACLES
