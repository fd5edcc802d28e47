"""Defines a planned run on the double, and a user who watches it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from concertmaster.github.connection import Connection
from concertmaster.github.issue_reference import IssueReference
from concertmaster.report.github_run import RunView
from concertmaster.settings.access import AccessSettings
from concertmaster.terminal.console import Console
from concertmaster.watch.follow import RunWatcher, follow_run
from concertmaster.watch.poller import RunPoller
from tests.action.workflow import BentClock
from tests.github import tracker
from tests.github.double import Double
from tests.github.people import User
from tests.github.state import Issue, Repository, Run

LIST = "- prompts/apple.md\n- prompts/pear.md\n- prompts/plum.md\n"
FILE = ".github/workflows/orchestrate.yml"


@dataclass(frozen=True)
class Playing(BentClock):
    """A clock that runs the next scene before each sleep."""

    scenes: list[Callable[[], object]] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        if not self.scenes:
            pytest.fail("nothing happens any more, and the watch goes on")
        self.scenes.pop(0)()
        BentClock.sleep(self, seconds)


@dataclass
class Stage:
    """A planned run, and a user who watches it with her own token."""

    double: Double
    repository: Repository
    run: Run
    user: User

    def __post_init__(self) -> None:
        self.token = self.double.user_token(self.user)
        self.clock = Playing(self.double.clock)
        self.said: list[str] = []

    def issue(self, title: str) -> Issue:
        return next(one for one in self.repository.issues.values() if one.title == title)

    @property
    def parent(self) -> Issue:
        return self.issue("Fruit")

    @property
    def children(self) -> list[Issue]:
        return [self.issue(f"Write {name}.txt") for name in ("apple", "pear", "plum")]

    def open(self, **given: Any) -> RunPoller:
        name = self.repository.full_name
        access = {"url": self.double.url, "repository": name, "token": self.token}
        access |= {key: given.pop(key) for key in access.keys() & given}
        usual = {"issue": self.parent.number, "clock": self.clock, "told": self.said.append}
        return RunPoller(Connection(**access), **{**usual, **given})

    def watcher(self, console: Console) -> RunWatcher:
        address = IssueReference(repository=self.repository.full_name, number=self.parent.number)
        access = AccessSettings(GITHUB_TOKEN=self.token, GITHUB_API_URL=self.double.url)
        return RunWatcher(issue=address, access=access, console=console, clock=self.clock)

    def follow(self, *scenes: Callable[[], object]) -> Iterator[RunView]:
        self.clock.scenes[:] = scenes
        return follow_run(self.open(), self.clock, interval_seconds=10)

    def label(self, issue: Issue, standing: str) -> None:
        """Replace the issue's state label, as finalize does."""
        with self.double.store.lock:
            names = ("concertmaster", f"concertmaster:{standing}")
            store, home = self.double.store, self.repository
            issue.labels = [tracker.find_or_make_label(store, home, name).id for name in names]

    def finish(self, standing: str = "landed") -> None:
        for issue in self.children:
            self.label(issue, standing)
            self.double.close(issue, user=self.user)

    def used(self) -> int:
        """Return the number of the token's calls that count in this hour."""
        token = self.double.store.tokens[self.token]
        return int(self.double.limits.overview(token, "core")["used"])


def standings(view: RunView) -> list[str]:
    return [task.standing.value for task in view.tasks]


def nothing() -> None:
    pass
