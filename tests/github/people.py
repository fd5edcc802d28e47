"""Who may call: users, bots, apps, their tokens and what they may do."""

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
    """How far a permission goes; a token of an app has only none, read and write."""

    NONE = 0
    READ = 1
    PARTICIPATE = 2
    TRIAGE = 3
    WRITE = 4


class Role(StrEnum):
    """Of a user in a repository."""

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
        """The older and coarser name that the permission endpoint gives."""
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
    """A GitHub App; its bot is the author of all that it does."""

    id: int
    slug: str
    name: str
    bot: User


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An app's token is bound to one repository (by id) and to the permissions it was given.

    A user's token may do what the user may, and touches workflow files only by its scope.
    """

    value: str
    user: User
    app: App | None = None
    repository: int | None = None
    permissions: Mapping[Permission, Level] = field(default_factory=dict)
    workflow_scope: bool = False
