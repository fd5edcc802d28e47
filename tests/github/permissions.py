"""Defines the permission that each call needs, and checks that a token has it."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from tests.github.exchange import Refused, not_found, refuse
from tests.github.people import Level, Permission, Role, Token
from tests.github.state import Repository

NONE, READ, PARTICIPATE, TRIAGE, WRITE = Level
METADATA, CONTENTS, ISSUES, PULLS, ACTIONS, CHECKS, STATUSES, WORKFLOWS = Permission

# Method, path below the repository, permission, level. The first matching row counts.
# A user with read access may open issues and comment (PARTICIPATE).
TABLE = (
    ("GET", "", METADATA, READ),
    ("GET", "/collaborators/*", METADATA, READ),
    ("GET", "/rules/*", METADATA, READ),
    ("GET", "/commits/*/check-runs", CHECKS, READ),
    ("GET", "/commits/*/status*", STATUSES, READ),
    ("POST", "/issues", ISSUES, PARTICIPATE),
    ("POST", "/issues/*/comments", ISSUES, PARTICIPATE),
    ("POST", "/issues/*/reactions", ISSUES, PARTICIPATE),
    ("POST", "/issues/comments/*/reactions", ISSUES, PARTICIPATE),
    ("PATCH", "/issues/*", ISSUES, PARTICIPATE),
    ("DELETE", "/issues/comments/*", ISSUES, PARTICIPATE),
    ("*", "/issues/*/lock", ISSUES, WRITE),
    ("GET", "/issues*", ISSUES, READ),
    ("*", "/issues*", ISSUES, TRIAGE),
    ("GET", "/labels*", ISSUES, READ),
    ("*", "/labels*", ISSUES, WRITE),
    ("GET", "/pulls*", PULLS, READ),
    ("PUT", "/pulls/*/merge*", CONTENTS, WRITE),
    ("POST", "/pulls", PULLS, PARTICIPATE),
    ("POST", "/pulls/*/reviews", PULLS, PARTICIPATE),
    ("PATCH", "/pulls/*", PULLS, PARTICIPATE),
    ("*", "/pulls*", PULLS, WRITE),
    ("*", "/statuses/*", STATUSES, WRITE),
    ("GET", "/check-runs*", CHECKS, READ),
    ("*", "/check-runs*", CHECKS, WRITE),
    ("GET", "/actions/*", ACTIONS, READ),
    ("*", "/actions/*", ACTIONS, WRITE),
    ("GET", "/*", CONTENTS, READ),
    ("*", "/*", CONTENTS, WRITE),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    permission: Permission
    level: Level


def need_of(method: str, path: str) -> Need:
    """Return what a call needs; `path` is below the repository, as a template or filled in."""
    for methods, pattern, permission, level in TABLE:
        if methods in {method, "*"} and fnmatchcase(path, pattern):
            return Need(permission=permission, level=level)
    raise LookupError(f"{method} {path} is in no row")


def level_of(token: Token | None, repository: Repository, permission: Permission) -> Level:
    public = NONE if repository.private or permission is WORKFLOWS else READ
    if token is None:
        return public
    if token.app:
        if token.repository != repository.id:
            return public
        given = token.permissions.get(permission, READ if permission is METADATA else NONE)
        return max(given, public)
    if permission is WORKFLOWS:
        return WRITE if token.workflow_scope else NONE
    return level_of_role(repository.role(token.user), permission)


def level_of_role(role: Role, permission: Permission) -> Level:
    if role.rank >= Role.WRITE.rank:
        return WRITE
    if role is Role.NONE:
        return NONE
    if permission in {ISSUES, PULLS}:
        return TRIAGE if role is Role.TRIAGE else PARTICIPATE
    return READ


def is_visible(token: Token | None, repository: Repository) -> bool:
    return level_of(token, repository, METADATA) >= READ


def demand(token: Token | None, repository: Repository, need: Need) -> None:
    """Raise Refused, with GitHub's message, if the token lacks the permission."""
    if level_of(token, repository, need.permission) < need.level:
        raise refusal(token, repository)


def refusal(token: Token | None, repository: Repository) -> Refused:
    if not is_visible(token, repository):
        return not_found()
    if token is None:
        return refuse(401, "Requires authentication")
    if token.app:
        return refuse(403, "Resource not accessible by integration")
    return refuse(403, "Must have admin rights to Repository.")
