"""Finds the objects that a mutation names, and checks the caller's permission."""

from __future__ import annotations

from tests.github.people import Level, Permission
from tests.github.query.sources import Desk, IssueAt, PullAt, QueryError
from tests.github.state import Repository


def unprocessable(message: str) -> QueryError:
    return QueryError("UNPROCESSABLE", message)


def repository_of(desk: Desk, node: str) -> Repository:
    found = desk.find(node)
    if not isinstance(found, Repository):
        raise wrong_kind(node, "Repository")
    return found


def issue_of(desk: Desk, node: str, *, level: Level = Level.TRIAGE) -> IssueAt:
    found = desk.find(node)
    if not isinstance(found, IssueAt):
        raise wrong_kind(node, "Issue")
    desk.demand(found.repository, Permission.ISSUES, level)
    return found


def pull_of(desk: Desk, node: str, *, permission: Permission) -> PullAt:
    found = desk.find(node)
    if not isinstance(found, PullAt):
        raise wrong_kind(node, "PullRequest")
    desk.demand(found.repository, permission, Level.WRITE)
    return found


def wrong_kind(node: str, kind: str) -> QueryError:
    return QueryError(
        "NOT_FOUND", f"Could not resolve to {kind} node with the global id of '{node}'."
    )
