"""Defines the values that query fields are read from: objects with their repository."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.github.exchange import Response
from tests.github.faults import Fault, Faults
from tests.github.limits import Limits
from tests.github.people import Level, Permission, Token, User
from tests.github.permissions import is_visible, level_of
from tests.github.state import Comment, Issue, Label, Pull, QueueEntry, Repository
from tests.github.store import Store, read_node_id

Item = TypeVar("Item")
MOST_PER_PAGE = 100


class QueryError(Exception):
    """An error of a query; `kind` is GitHub's error type."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(kw_only=True)
class Desk:
    """The context of one request.

    `fault` is the fault that struck it, `stopped` the answer that replaces the regular one.
    """

    store: Store
    limits: Limits
    faults: Faults
    token: Token | None
    fault: Fault | None = field(default=None, init=False)
    stopped: Response | None = field(default=None, init=False)

    def caller(self) -> Token:
        assert self.token
        return self.token

    def demand(self, repository: Repository, permission: Permission, level: Level) -> None:
        if level_of(self.token, repository, permission) < level:
            raise QueryError("FORBIDDEN", "Resource not accessible by integration")

    def find(self, node: str) -> Source:
        """Return the object that the node id names. Raises QueryError."""
        found = self._look_up(node)
        home = found if isinstance(found, Repository) else getattr(found, "repository", None)
        if found is None or (home and not is_visible(self.token, home)):
            message = f"Could not resolve to a node with the global id of '{node}'"
            raise QueryError("NOT_FOUND", message)
        return found

    def _look_up(self, node: str) -> Source | None:
        kind, number = read_node_id(node) or ("", 0)
        store = self.store
        match kind:
            case "R":
                return store.repository_by_id(number)
            case "I" if issue := store.find_issue(number):
                return IssueAt(repository=issue[0], issue=issue[1])
            case "IC" if comment := store.find_comment(number):
                return CommentAt(repository=comment[0], issue=comment[1], comment=comment[2])
            case "LA" if label := store.find_label(number):
                return LabelAt(repository=label[0], label=label[1])
            case "PR":
                return self._pull(number)
            case _:
                return next((one for one in store.users.values() if one.id == number), None)

    def _pull(self, number: int) -> PullAt | None:
        for repository in self.store.repositories.values():
            for issue, pull in repository.pulls():
                if pull.id == number:
                    return PullAt(repository=repository, issue=issue, pull=pull)
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueAt:
    repository: Repository
    issue: Issue


@dataclass(frozen=True, slots=True, kw_only=True)
class PullAt:
    repository: Repository
    issue: Issue
    pull: Pull


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentAt:
    repository: Repository
    issue: Issue
    comment: Comment


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelAt:
    repository: Repository
    label: Label


@dataclass(frozen=True, slots=True, kw_only=True)
class RefAt:
    repository: Repository
    name: str
    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitAt:
    repository: Repository
    sha: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobAt:
    repository: Repository
    sha: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryAt:
    at: PullAt
    entry: QueueEntry


Source = Repository | User | IssueAt | PullAt | CommentAt | LabelAt | RefAt | CommitAt | BlobAt


def connection(
    items: Sequence[Item], wrap: Callable[[Item], Any], *, name: str, args: dict[str, Any]
) -> dict[str, Any]:
    """Return a page of a connection. Raises QueryError without `first` or `last`."""
    first, last = args.get("first"), args.get("last")
    if first is None and last is None:
        message = f"You must provide a `first` or `last` value to properly paginate the `{name}`"
        raise QueryError("MISSING_PAGINATION_BOUNDARIES", f"{message} connection.")
    if max(first or 0, last or 0) > MOST_PER_PAGE:
        message = f"Requesting {first or last} records on the `{name}` connection exceeds the"
        raise QueryError("EXCESSIVE_PAGINATION", f"{message} `first` limit of 100 records.")
    start = index_of(args["after"]) + 1 if args.get("after") else 0
    end = index_of(args["before"]) if args.get("before") else len(items)
    if first is not None:
        end = min(end, start + first)
    else:
        start = max(start, end - (last or 0))
    return {
        "nodes": [wrap(item) for item in items[start:end]],
        "totalCount": len(items),
        "pageInfo": {
            "hasNextPage": end < len(items),
            "hasPreviousPage": start > 0,
            "startCursor": cursor(start) if start < end else None,
            "endCursor": cursor(end - 1) if start < end else None,
        },
    }


def cursor(index: int) -> str:
    return base64.b64encode(f"cursor:{index}".encode()).decode()


def index_of(text: str) -> int:
    return int(base64.b64decode(text).decode().removeprefix("cursor:"))
