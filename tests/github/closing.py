"""Closes the issues that commits on the default branch name with a keyword ("Fixes #1")."""

from __future__ import annotations

import re

from tests.github import tracker
from tests.github.bare import Bare
from tests.github.people import User
from tests.github.state import Repository
from tests.github.store import Store

KEYWORD = re.compile(r"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+#(\d+)\b", re.IGNORECASE)


def close_named(store: Store, repository: Repository, text: str, *, user: User) -> None:
    for number in map(int, KEYWORD.findall(text)):
        issue = repository.issues.get(number)
        if issue and issue.pull is None and issue.state == "open":
            now = store.clock.now()
            tracker.set_state(issue, "closed", reason=None, user=user, now=now)


def read_new_commits(store: Store, repository: Repository, *, user: User) -> None:
    """Close the issues that new commits on the default branch name."""
    bare = Bare(repository.folder)
    tip, seen = bare.branch(repository.default_branch), repository.default_tip
    repository.default_tip = tip
    if tip and seen and tip != seen:
        messages = bare.text("log", "--format=%B", tip, f"^{seen}")
        close_named(store, repository, messages, user=user)
