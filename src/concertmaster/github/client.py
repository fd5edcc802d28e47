"""Sends requests to GitHub's API with one token, and repeats those that fail temporarily.

This module owns PyGithub. The library's own retry repeats reads. A write may have happened although
its answer was lost, so its effect is looked up before it is repeated.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from github import Auth, Github, GithubException, GithubRetry, set_log_level
from requests import RequestException

from concertmaster.clock import Clock
from concertmaster.errors import EnvironmentFault
from concertmaster.github.breaker import MOST_UNANSWERED, RECOVERY_SECONDS, Breaker
from concertmaster.github.connection import NOTICED_SECONDS, PAGE, Connection
from concertmaster.github.errors import (
    LONGEST_WAIT_SECONDS,
    GivenUp,
    Invalid,
    TooQuick,
    explain_refusal,
    missing_permission,
    read_answer,
    requested_wait_seconds,
)
from concertmaster.github.write_pace import WritePace
from concertmaster.retry import TransientFault, retry_on_transient
from concertmaster.text.display import count, display, duration

TRIES = 7  # the waits double, so that a used-up hourly limit is renewed before the last try
TIMEOUT_SECONDS = 15
PATIENCE_SECONDS = 3000.0  # for all waits together; the jobs that write have 60 minutes
FIRST_WAIT_SECONDS = 10.0  # a new object appears in lists only after some seconds

T = TypeVar("T")


class Client:
    """A client of the API for one repository. `told` receives messages about long waits."""

    def __init__(
        self, connection: Connection, *, clock: Clock, told: Callable[[str], None]
    ) -> None:
        self.repository = connection.repository
        self._clock = clock
        self._told = told
        self._pace = WritePace(clock, told=told)
        self._began = clock.now()
        self._breaker = Breaker()
        set_log_level(
            logging.ERROR
        )  # the library logs through a handler of its own; `told` says what a person should know
        self._api = Github(
            auth=Auth.Token(connection.token),
            base_url=connection.url,
            api_version=connection.api_version,
            timeout=TIMEOUT_SECONDS,
            retry=_make_retry(clock, self._pause),
            seconds_between_requests=None,
            seconds_between_writes=None,
        ).requester

    # --- one request ---------------------------------------------------------------------------

    def get(self, path: str, **parameters: Any) -> dict[str, Any]:
        """Return the object at a path below the repository."""
        found: dict[str, Any] = self._read(path, parameters)
        return found

    def newest(self, path: str, *, repository: str, **parameters: Any) -> dict[str, Any] | None:
        """Return the first object of a list below another repository (owner/name), or None."""
        found = self._read(path, {**parameters, "per_page": 1}, repository=repository)
        return found[0] if found else None

    def pages(self, path: str, *, within: str = "", **parameters: Any) -> Iterator[dict[str, Any]]:
        """Yield the objects of a list from all its pages; `within` is the key that holds the list.

        The list is the whole answer where `within` is "".
        """
        page = 1
        while True:
            found = self._read(path, {**parameters, "per_page": PAGE, "page": page})
            items = found[within] if within else found
            yield from items
            if len(items) < PAGE:
                return
            page += 1

    def _read(self, path: str, parameters: Mapping[str, Any], *, repository: str = "") -> Any:
        action, given = f"read {path}", dict(parameters)
        return self._until_given_up(
            action,
            lambda: self._call("GET", path, action, repository=repository, parameters=given),
            tries=TRIES,
        )

    def send(
        self, verb: str, path: str, body: Any = None, *, accepted: Collection[int] = ()
    ) -> dict[str, Any]:
        """Write once, without a retry, and return the object in the answer.

        Statuses in `accepted` are no errors. Raises EnvironmentFault or TransientFault.
        """
        try:
            found: dict[str, Any] = self._call(verb, path, f"{verb} {path}", input=body)
        except EnvironmentFault as error:
            refused = error.__cause__
            if not isinstance(refused, GithubException) or refused.status not in accepted:
                raise
            found = refused.data if isinstance(refused.data, dict) else {}
        return found

    def _call(
        self, verb: str, path: str, action: str, *, repository: str = "", **options: Any
    ) -> Any:
        with self._translated(action, needs=missing_permission(verb, path)):
            url = f"/repos/{repository or self.repository}{path}"
            return self._api.requestJsonAndCheck(verb, url, **options)[1]

    def query(self, query: str, variables: dict[str, Any], *, action: str) -> dict[str, Any]:
        """Return the data of a GraphQL query, which is repeated after temporary failures."""

        def ask(_: int) -> dict[str, Any]:
            with self._translated(action, needs=missing_permission("POST", "query")):
                return self._ask(query, variables)

        return self._again(action, ask)

    def mutate(
        self,
        mutation: str,
        inputs: Sequence[Mapping[str, Any]],
        fields: str,
        *,
        action: str,
        take: Callable[[int, dict[str, Any]], None] = lambda place, found: None,
    ) -> None:
        """Send one request with a mutation for each input, without a retry.

        `take` receives the place and the result of each mutation that succeeded. If others failed,
        the failure is raised after that.
        """
        kind = mutation[0].upper() + mutation[1:] + "Input!"
        head = ", ".join(f"$i{place}: {kind}" for place in range(len(inputs)))
        body = " ".join(
            f"m{place}: {mutation}(input: $i{place}) {{ {fields} }}" for place in range(len(inputs))
        )
        variables = {f"i{place}": dict(one) for place, one in enumerate(inputs)}
        with self._translated(action, needs=missing_permission("POST", mutation)):
            try:
                data = self._ask(f"mutation({head}) {{ {body} }}", variables)
            except GithubException as error:
                _take(_partial(error), take)
                raise
        _take(data, take)

    def _ask(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        headers, answer = self._api.graphql_query(query, variables)
        if "data" not in answer:  # GitHub also refuses with status 200
            raise GithubException(200, answer, headers)
        data: dict[str, Any] = answer["data"] or {}
        return data

    @contextmanager
    def _translated(self, action: str, *, needs: str) -> Iterator[None]:
        """Raise errors of the library and the connection as errors of this package."""
        try:
            yield
        except GithubException as error:
            answer = read_answer(error.status, error.headers or {}, error.data)
            now = self._clock.now()
            raise explain_refusal(answer, action=action, needs=needs, now=now) from error
        except (RequestException, ValueError) as error:  # ValueError: a truncated answer is no JSON
            raise TransientFault(f"no answer from GitHub: {_cause(error)}") from error

    # --- trying again --------------------------------------------------------------------------

    def repeat(self, action: str, call: Callable[[], T]) -> T:
        """Return the result of an idempotent write, which is repeated without a look-up."""
        return self.write(action, lambda: None, call)

    def write(
        self,
        action: str,
        look_up: Callable[[], T | None],
        write: Callable[[], T],
        *,
        creations: int = 1,
        tries: int = TRIES,
    ) -> T:
        """Return the result of `write`, or what `look_up` finds before a further try.

        `creations` is the number of objects that the write creates. `look_up` returns None where
        the write has had no effect. Raises GivenUp after so many `tries`.
        """

        def call(number: int) -> T:
            found = look_up() if number > 1 else None
            if found is not None:
                return found
            self._check_patience(self._pace.seconds_until(creations), action)
            try:
                with self._pace.turn(creations):
                    return write()
            except TooQuick:
                self._pace.slow_down()
                raise

        try:
            return self._again(action, call, tries=tries)
        except Invalid:  # GitHub also answers this when somebody else has made it meanwhile
            found = look_up()
            if found is None:
                raise
            return found

    def wait(self, seconds: float) -> None:
        """Sleep, for GitHub to go on with work that it does after its answer."""
        self._clock.sleep(seconds)

    def seconds_until(self, creations: int) -> float:
        """Return the seconds that a write of so many objects would wait for its turn."""
        return self._pace.seconds_until(creations)

    def _again(self, action: str, call: Callable[[int], T], *, tries: int = TRIES) -> T:
        why = ""

        def call_patiently(number: int) -> T:
            nonlocal why
            try:
                return call(number)
            except TransientFault as error:
                why = str(error)
                raise TransientFault(
                    str(error), seconds=error.seconds * 2 ** (number - 1)
                ) from error

        def call_again() -> T:
            return retry_on_transient(
                call_patiently,
                tries=tries,
                first_wait_seconds=FIRST_WAIT_SECONDS,
                longest_wait_seconds=LONGEST_WAIT_SECONDS,
                sleep=lambda seconds: self._pause(seconds, action=action, why=why),
            )

        return self._until_given_up(action, call_again, tries=tries)

    def _until_given_up(self, action: str, call: Callable[[], T], *, tries: int) -> T:
        """Return the answer to a call that is tried again by itself. Raises GivenUp.

        The third call in a row without an answer is made once more after a long wait. Without an
        answer to that one either, no further call is made.
        """
        if self._breaker.is_open:
            raise _unanswered(action)
        try:
            with self._breaker.counting():
                return call()
        except TransientFault as error:
            if not self._breaker.wants_to_wait:
                raise _given_up(action, error, tries=tries) from error
            self._pause(RECOVERY_SECONDS, action=action, why=str(error))
        self._breaker.allow_last_try()
        return self._until_given_up(action, call, tries=tries)

    def _check_patience(self, seconds: float, action: str, *, why: str = "") -> None:
        """Raise GivenUp if such a wait would end too late for the job to tell what it has done."""
        if self._clock.now() + seconds > self._began + PATIENCE_SECONDS:
            raise GivenUp(
                f"could not {action} in the time of this job",
                why=f"{why or 'GitHub limits new content'}: that needs {duration(seconds)} more",
                next_step="run the job again after that time; what is made is found and not made "
                "twice",
            )

    def _pause(self, seconds: float, *, action: str = "read", why: str = "") -> None:
        self._check_patience(seconds, action, why=why)
        if seconds >= NOTICED_SECONDS:
            self._told(f"GitHub is busy or limits us: waiting {duration(seconds)}")
        self._clock.sleep(seconds)


def _cause(error: Exception) -> str:
    """Return the reason behind the library's "max retries exceeded", in one line."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return display(str(reason or type(error).__name__))


def _given_up(action: str, error: TransientFault, *, tries: int) -> GivenUp:
    return GivenUp(
        f"could not {action}, {count(tries, 'time')} in a row",
        why=str(error),
        next_step="run the job again when GitHub is well; what is done is not done twice",
    )


def _unanswered(action: str) -> GivenUp:
    return GivenUp(
        f"could not {action}: GitHub does not answer",
        why=f"{MOST_UNANSWERED} calls in a row got no answer, and none after a long wait",
        next_step="run the job again when GitHub is well; what is done is not done twice",
    )


def _make_retry(clock: Clock, pause: Callable[[float], None]) -> GithubRetry:
    """Return a retry policy for reads that waits with `pause`, as long as GitHub asks for."""

    class Patient(GithubRetry):
        def sleep(self, response: Any = None) -> None:
            seconds = self.get_backoff_time()
            if response is not None and response.status in (403, 429):
                headers = {name.lower(): value for name, value in response.headers.items()}
                seconds = requested_wait_seconds(headers, now=clock.now())
            pause(seconds)

    return Patient(
        total=TRIES - 1,
        status_forcelist=[429, *range(500, 600)],
        allowed_methods=frozenset({"GET", "HEAD"}),
        backoff_factor=1,
    )


def _partial(error: GithubException) -> dict[str, Any]:
    """Return the data of a GraphQL answer that also has errors."""
    data = error.data.get("data") if isinstance(error.data, dict) else None
    return data if isinstance(data, dict) else {}


def _take(data: Mapping[str, Any], take: Callable[[int, dict[str, Any]], None]) -> None:
    for alias, found in data.items():
        if found:
            take(int(alias.removeprefix("m")), found)
