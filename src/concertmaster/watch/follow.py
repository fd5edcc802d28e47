"""Follows a run on GitHub until it ends, and shows it in the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from concertmaster.clock import Clock, SystemClock
from concertmaster.errors import Interrupted, UsageError
from concertmaster.git.remote import origin_url
from concertmaster.github.connection import Connection
from concertmaster.github.issue_reference import (
    IssueReference,
    check_server,
    read_issue,
    read_repository,
)
from concertmaster.report.github_run import RunView
from concertmaster.settings.access import AccessSettings
from concertmaster.terminal.console import Console
from concertmaster.watch.poller import TRIES, RunPoller

LONGEST_PAUSE_SECONDS = 60.0
TRIES_OF_ONE_LOOK = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWatcher:
    """A watcher that shows the run of a parent issue in the terminal."""

    issue: IssueReference
    access: AccessSettings
    console: Console
    clock: Clock = field(default_factory=SystemClock)

    def look(self) -> RunView:
        """Return the present state of the run."""
        return self._open(tries=TRIES_OF_ONE_LOOK, told=self.console.note).look()

    def stay(self, *, interval_seconds: float) -> RunView:
        """Show the run until it ends, and return its last state. Raises Interrupted on Ctrl-C."""
        try:
            with self.console.watching(self.clock.now) as onlooker:
                watch = self._open(tries=TRIES, told=onlooker.note)
                for view in follow_run(watch, self.clock, interval_seconds=interval_seconds):
                    onlooker.show(view)
        except KeyboardInterrupt as stop:
            raise Interrupted(
                "watched no longer; the run goes on",
                next_step=f"`concertmaster watch {self.issue.number}` looks again",
            ) from stop
        return view

    def _open(self, *, tries: int, told: Callable[[str], None]) -> RunPoller:
        return RunPoller(
            Connection(
                url=self.access.api,
                repository=self.issue.repository,
                token=self.access.token.get_secret_value(),
            ),
            issue=self.issue.number,
            clock=self.clock,
            tries=tries,
            told=told,
        )


def find_issue(text: str, *, repository: str, folder: Path, server: str) -> IssueReference:
    """Return the issue that the text names.

    If the text names no repository, the issue is in `repository`, or in the one that `folder` was
    cloned from if that is "". Raises UsageError.
    """
    asked = read_issue(text)
    home = asked
    if repository or not asked.repository:
        home = read_repository(repository or origin_url(folder))
    if asked.repository and asked.repository.lower() != home.repository.lower():
        raise UsageError(
            f"the issue is one of {asked.repository}, and --repo says {home.repository}",
            next_step="leave out --repo",
        )
    for address in (asked, home):
        check_server(address, server)
    return IssueReference(host=home.host, repository=home.repository, number=asked.number)


def follow_run(watch: RunPoller, clock: Clock, *, interval_seconds: float) -> Iterator[RunView]:
    """Yield the state of the run each time it changes, until the run is over.

    While nothing changes, the pause doubles, up to LONGEST_PAUSE_SECONDS.
    """
    before, pause = None, interval_seconds
    while True:
        view = watch.look()
        if view == before:
            pause = min(2 * pause, max(LONGEST_PAUSE_SECONDS, interval_seconds))
        else:
            pause = interval_seconds
            yield view
        if view.is_over:
            return
        before = view
        clock.sleep(pause)
