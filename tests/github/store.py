"""Holds the state of the double behind one lock."""

from __future__ import annotations

import base64
import threading
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import TypeVar

from tests.github.clock import Clock
from tests.github.people import App, Kind, Token, User
from tests.github.state import Comment, Issue, Label, Repository

Listed = TypeVar("Listed", Issue, Comment)

# Larger than 32 bits, so that a mix-up with an issue's number shows.
FIRST_ID = 5_000_000_003
ID_STEP = 7
ACTIONS_APP_ID = 15_368
ACTIONS_BOT_ID = 41_898_282


class Store:
    """The state of the double.

    `lag_seconds` is the delay until lists show a new object. `calls_before_merge` is the number of
    calls to a repository before an asynchronous merge is done.
    """

    def __init__(self, folder: Path, *, clock: Clock) -> None:
        self.folder = folder
        self.clock = clock
        self.lock = threading.RLock()
        self.url = ""
        self.lag_seconds = 0.0
        self.calls_before_merge = 1
        self.users: dict[str, User] = {}
        self.tokens: dict[str, Token] = {}
        self.repositories: dict[str, Repository] = {}
        self._ids = count(FIRST_ID, ID_STEP)
        bot = User(id=ACTIONS_BOT_ID, login="github-actions[bot]", kind=Kind.BOT)
        self.users[bot.login] = bot
        self.actions_app = App(
            id=ACTIONS_APP_ID, slug="github-actions", name="GitHub Actions", bot=bot
        )

    def new_id(self) -> int:
        return next(self._ids)

    def user(self, login: str) -> User | None:
        return self.users.get(login.lower())

    def repository(self, full_name: str) -> Repository | None:
        return self.repositories.get(full_name.lower())

    def repository_by_id(self, repository_id: int) -> Repository | None:
        return next((one for one in self.repositories.values() if one.id == repository_id), None)

    def find_issue(self, issue_id: int) -> tuple[Repository, Issue] | None:
        """Find an issue by database id in all repositories."""
        for repository in self.repositories.values():
            if issue := repository.issue_by_id(issue_id):
                return repository, issue
        return None

    def find_comment(self, comment_id: int) -> tuple[Repository, Issue, Comment] | None:
        for repository in self.repositories.values():
            for issue in repository.issues.values():
                for comment in issue.comments:
                    if comment.id == comment_id:
                        return repository, issue, comment
        return None

    def find_label(self, label_id: int) -> tuple[Repository, Label] | None:
        for repository in self.repositories.values():
            for label in repository.labels:
                if label.id == label_id:
                    return repository, label
        return None

    def listed(self, items: list[Listed]) -> list[Listed]:
        """Return the items that lists show already."""
        known = self.clock.now() - timedelta(seconds=self.lag_seconds)
        return [item for item in items if not self.lag_seconds or item.created_at <= known]


def node_id(kind: str, number: int) -> str:
    """Return an opaque node id in GitHub's form: `I_kwDO…`."""
    packed = number.to_bytes(8, "big")
    return f"{kind}_kwDO{base64.urlsafe_b64encode(packed).decode().rstrip('=')}"


def read_node_id(text: str) -> tuple[str, int] | None:
    """Return kind and database id, or None for a text that is no node id of the double."""
    kind, separator, packed = text.partition("_kwDO")
    try:
        number = int.from_bytes(base64.urlsafe_b64decode(packed + "="), "big")
    except ValueError:
        return None
    return (kind, number) if separator else None
