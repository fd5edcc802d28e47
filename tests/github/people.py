"""Defines users, bots, apps, and their tokens and permissions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum


class Kind(StrEnum):
    USER = "User"
    BOT = "Bot"
    ORGANIZATION = "Organization"


class Permission(StrEnum):
    METADATA = "metadata"
    CONTENTS = "contents"
    ISSUES = "issues"
    PULL_REQUESTS = "pull_requests"
    ACTIONS = "actions"
    CHECKS = "checks"
    STATUSES = "statuses"
    WORKFLOWS = "workflows"


class Level(IntEnum):
    """The level of a permission; an app's token has only none, read and write."""

    NONE = 0
    READ = 1
    PARTICIPATE = 2
    TRIAGE = 3
    WRITE = 4


class Role(StrEnum):
    """The role of a user in a repository."""

    NONE = "none"
    READ = "read"
    TRIAGE = "triage"
    WRITE = "write"
    MAINTAIN = "maintain"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        return [*Role].index(self)

    @property
    def permission(self) -> str:
        """The role's older and coarser name, which the permission endpoint returns."""
        return {Role.MAINTAIN: "write", Role.TRIAGE: "read"}.get(self, self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    id: int
    login: str
    kind: Kind = Kind.USER
    name: str | None = None

    @property
    def email(self) -> str:
        return f"{self.id}+{self.login}@users.noreply.github.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """A GitHub App; its bot is the author of its writes."""

    id: int
    slug: str
    name: str
    bot: User


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token of an app or a user.

    An app's token is bound to one repository (by id) and to its permissions. A user's token may do
    what the user may, but change workflow files only with `workflow_scope`.
    """

    value: str
    user: User
    app: App | None = None
    repository: int | None = None
    permissions: Mapping[Permission, Level] = field(default_factory=dict)
    workflow_scope: bool = False
