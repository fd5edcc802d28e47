"""Polls the state of a run on GitHub with conditional requests.

This module owns github3.py. An answer with status 304 does not count towards the token's hourly
limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from github3 import exceptions  # type: ignore[import-untyped]
from github3.session import GitHubSession  # type: ignore[import-untyped]
from github3.structs import GitHubIterator  # type: ignore[import-untyped]

from concertmaster.clock import Clock
from concertmaster.errors import EnvironmentFault
from concertmaster.github.connection import API_VERSION, PAGE, Connection
from concertmaster.github.errors import (
    LONGEST_WAIT_SECONDS,
    ApiAnswer,
    NotAllowed,
    NotFound,
    explain_refusal,
    missing_permission,
    read_answer,
)
from concertmaster.github.labels import LABEL
from concertmaster.github.models import Issue, read_comment, read_issue, read_job
from concertmaster.report.github_run import RunView
from concertmaster.retry import TransientFault, retry_on_transient
from concertmaster.text.display import duration
from concertmaster.watch.read_status import WatchedRun, find_watched_run, view_run

MOST_PAGES = 20
TRIES = 8
FIRST_WAIT_SECONDS = 2.0


class RunPoller:
    """A poller of one parent issue and its run, with one token.

    `tries` limits how often a call is made that fails temporarily. `told` receives messages about
    waits.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        issue: int,
        clock: Clock,
        tries: int = TRIES,
        told: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._repository = connection.repository
        self._issue = f"/issues/{issue}"
        self._url = f"{connection.url}/repos/{connection.repository}"
        self._clock = clock
        self._tries = tries
        self._told = told
        self._session = _open_session(connection.token)
        self._sheets: dict[str, _ConditionalPage] = {}
        self._not_shown: set[str] = set()

    def look(self) -> RunView:
        """Return the present state of the run. Raises EnvironmentFault if GitHub refuses."""
        run = self._find_run()
        jobs = [
            read_job(found)
            for number in run.workflows
            for found in self._list_if_shown(f"/actions/runs/{number}/jobs", within="jobs")
        ]
        return view_run(run, jobs)

    def _find_run(self) -> WatchedRun:
        """Return the run below the issue, with its children.

        The sub-issues are read first because they are few. If they do not cover the plan, the
        labelled issues are read too: some servers have no sub-issues, and an issue has at most 100.
        """
        parent = read_issue(dict(self._read(self._issue, shape=tuple)))
        comments = [read_comment(found) for found in self._list(f"{self._issue}/comments")]
        below = _read_issues(self._list_if_shown(f"{self._issue}/sub_issues"))
        run = find_watched_run(parent, issues=below, comments=comments)
        if run.is_complete:
            return run
        query = {"labels": LABEL, "state": "all", "since": parent.created_at}
        beside = _read_issues(self._list("/issues", **query))
        return find_watched_run(parent, issues=[*below, *beside], comments=comments)

    def _list_if_shown(self, path: str, *, within: str = "") -> list[Mapping[str, Any]]:
        """Return the list, or [] if the server does not have it or the token may not see it."""
        if path in self._not_shown:
            return []
        try:
            return self._list(path, within=within)
        except (NotAllowed, NotFound):
            self._not_shown.add(path)
            return []

    def _list(self, path: str, *, within: str = "", **parameters: str) -> list[Mapping[str, Any]]:
        """Return the objects from all pages, up to MOST_PAGES.

        Each page has its own tag, because the first one stays the same while others change.
        """
        found: list[Mapping[str, Any]] = []
        for page in range(1, MOST_PAGES + 1):
            part = self._read(path, shape=dict, within=within, page=str(page), **parameters)
            found += part
            if len(part) < PAGE:
                break
        return found

    def _read(self, path: str, *, shape: type, within: str = "", **parameters: str) -> list[Any]:
        name = f"{path} {parameters}"
        action = f"read {path.removeprefix('/')}"

        def read(number: int) -> list[Any]:
            sheet = self._sheets.pop(name, None) or _ConditionalPage(
                self._session, self._url + path, shape=shape, within=within, parameters=parameters
            )
            found = self._ask(sheet, action, needs=missing_permission("GET", path))
            self._sheets[name] = sheet  # not after a failure: its tag may be newer than its content
            return found

        try:
            return retry_on_transient(
                read,
                tries=self._tries,
                first_wait_seconds=FIRST_WAIT_SECONDS,
                longest_wait_seconds=LONGEST_WAIT_SECONDS,
                sleep=self._clock.sleep,
            )
        except TransientFault as error:
            raise EnvironmentFault(
                f"could not {action}, {self._tries} times in a row",
                why=str(error),
                next_step="watch again when GitHub can be reached; the run goes on without it",
            ) from error

    def _ask(self, sheet: _ConditionalPage, action: str, *, needs: str) -> list[Any]:
        try:
            with _translated(action, needs=needs, now=self._clock.now()):
                return sheet.read()
        except TransientFault as error:
            wait = f", in {duration(error.seconds)}" if error.seconds else ""
            self._told(f"GitHub is asked again{wait}: {error}")
            raise
        except EnvironmentFault as error:
            advice = (
                f"check that {self._repository} has it, and that the token may read issues"
                " and actions there"
            )
            raise type(error)(error.what, why=error.why, next_step=advice) from error


class _ConditionalPage:
    """A page of a list, or an object, that is read again with a conditional request.

    The library keeps only the tag of a list's first page, so each page is a list of its own here.
    """

    def __init__(
        self,
        session: GitHubSession,
        url: str,
        *,
        shape: type,
        within: str,
        parameters: Mapping[str, str],
    ) -> None:
        # The library returns an object as pairs. The larger number keeps it from asking for pages.
        most = PAGE if shape is dict else PAGE + 1
        self._pages = GitHubIterator(
            most, url, shape, session, params=dict(parameters), list_key=within or None
        )
        self._found: list[Any] = []

    def read(self) -> list[Any]:
        """Return the present content, of the given shape. Raises the library's errors."""
        found = [*self._pages.refresh(conditional=True)]
        if self._pages.last_status != 304:
            self._found = found
        return self._found


def _open_session(token: str) -> GitHubSession:
    session = GitHubSession()
    session.token_auth(token)
    # The library's default type returns each text three times, as Markdown, plain text and HTML.
    session.headers["Accept"] = "application/vnd.github+json"
    session.headers["X-GitHub-Api-Version"] = API_VERSION
    return session


@contextmanager
def _translated(action: str, *, needs: str, now: float) -> Iterator[None]:
    """Raise the library's errors as errors of this package."""
    try:
        yield
    except (exceptions.UnexpectedResponse, exceptions.UnprocessableResponseBody) as error:
        raise TransientFault("what came was no answer of GitHub's") from error
    except exceptions.ResponseError as error:
        raise explain_refusal(_answer(error), action=action, needs=needs, now=now) from error
    except exceptions.TransportError as error:
        raise TransientFault(f"{type(error.exception).__name__} when trying to {action}") from error


def _answer(error: exceptions.ResponseError) -> ApiAnswer:
    words = error.msg if isinstance(error.msg, str) else ""  # a proxy's page has no message
    return read_answer(error.code, error.response.headers, {"message": words})


def _read_issues(found: Iterable[Mapping[str, Any]]) -> list[Issue]:
    return [issue for issue in map(read_issue, found) if not issue.is_pull]
