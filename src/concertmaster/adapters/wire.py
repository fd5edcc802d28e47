"""GitHub's API with one token: requests, errors and patience. The owner of PyGithub.

A read is repeated by the library's own retry. A write may have happened although its answer was
lost, so before it is repeated its effect is looked up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from github import Auth, Github, GithubException, GithubRetry
from requests import RequestException

from concertmaster.adapters.pace import Clock, Pace
from concertmaster.adapters.patience import Passing, repeat_on_passing
from concertmaster.errors import EnvironmentFault

TRIES = 6
READ_TRIES = 5
TIMEOUT_SECONDS = 15
LONGEST_WAIT_SECONDS = 900.0
FIRST_WAIT_SECONDS = 2.0
SECONDARY_WAIT_SECONDS = 60.0
PAGE = 100

_LIMIT_WORDS = ("rate limit", "abuse detection")
T = TypeVar("T")


class NotAllowed(EnvironmentFault):
    """The token lacks a permission."""


class NotFound(EnvironmentFault):
    """GitHub knows no such thing, or the token may not see it."""


class Conflicting(EnvironmentFault):
    """The thing is not in a state that allows the call."""


class Wire:
    """One repository's part of the API. `told` hears what a person waits for."""

    def __init__(
        self,
        *,
        url: str,
        repository: str,
        token: str,
        clock: Clock,
        told: Callable[[str], None],
    ) -> None:
        self.repository = repository
        self._clock = clock
        self._pace = Pace(clock, told=told)
        self._api = Github(
            auth=Auth.Token(token),
            base_url=url,
            timeout=TIMEOUT_SECONDS,
            retry=_make_retry(clock),
            seconds_between_requests=None,
            seconds_between_writes=None,
        ).requester

    def get(self, path: str, **parameters: Any) -> dict[str, Any]:
        """One object."""
        found: dict[str, Any] = self._read(path, parameters)
        return found

    def pages(self, path: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        """The objects of a list, as many pages as it has."""
        page = 1
        while True:
            asked = {**parameters, "per_page": PAGE, "page": page}
            found = self._read(path, asked)
            yield from found
            if len(found) < PAGE:
                return
            page += 1

    def _read(self, path: str, parameters: Mapping[str, Any]) -> Any:
        try:
            return self._call("GET", path, f"read {path}", parameters=dict(parameters))[1]
        except Passing as error:
            raise _given_up(f"read {path}", READ_TRIES, error) from error

    def send(self, verb: str, path: str, body: Any) -> dict[str, Any]:
        """One write, not repeated; the answer's object."""
        found: dict[str, Any] = self._call(verb, path, f"{verb} {path}", input=body)[1]
        return found

    def _call(self, verb: str, path: str, action: str, **options: Any) -> tuple[Any, Any]:
        with _translated(action):
            return self._api.requestJsonAndCheck(verb, f"/repos/{self.repository}{path}", **options)

    def query(self, query: str, variables: dict[str, Any], *, action: str) -> dict[str, Any]:
        """The data of a GraphQL query."""

        def ask() -> dict[str, Any]:
            with _translated(action):
                return dict(self._api.graphql_query(query, variables)[1]["data"])

        return self.repeat(action, ask, creations=0)

    def mutate(
        self,
        mutation: str,
        inputs: Sequence[Mapping[str, Any]],
        fields: str,
        *,
        action: str,
        take: Callable[[int, dict[str, Any]], None] = lambda place, found: None,
    ) -> None:
        """One request with a mutation for each input. `take` gets what each one gave, also when
        others failed; then the failure is raised."""
        kind = mutation[0].upper() + mutation[1:] + "Input!"
        head = ", ".join(f"$i{place}: {kind}" for place in range(len(inputs)))
        body = " ".join(
            f"m{place}: {mutation}(input: $i{place}) {{ {fields} }}" for place in range(len(inputs))
        )
        variables = {f"i{place}": dict(one) for place, one in enumerate(inputs)}
        with _translated(action):
            try:
                data = self._api.graphql_query(f"mutation({head}) {{ {body} }}", variables)[1]
            except GithubException as error:
                _take(_partial(error), take)
                raise
        _take(data.get("data") or {}, take)

    # --- trying again --------------------------------------------------------------------------

    def repeat(self, action: str, call: Callable[[], T], *, creations: int = 1) -> T:
        """A write that may happen twice without harm."""
        return self.write(action, lambda: None, call, creations=creations)

    def write(
        self,
        action: str,
        look_up: Callable[[], T | None],
        write: Callable[[], T],
        *,
        creations: int = 1,
    ) -> T:
        """Write once: after a failure that may have been a success, look before trying again."""

        def call(number: int) -> T:
            found = look_up() if number > 1 else None
            if found is not None:
                return found
            self._pace.await_turn(creations)
            return write()

        try:
            return repeat_on_passing(
                call,
                tries=TRIES,
                first_wait_seconds=FIRST_WAIT_SECONDS,
                longest_wait_seconds=LONGEST_WAIT_SECONDS,
                sleep=self._clock.sleep,
            )
        except Passing as error:
            raise _given_up(action, TRIES, error) from error


def _given_up(action: str, tries: int, error: Passing) -> EnvironmentFault:
    return EnvironmentFault(
        f"could not {action}, {tries} times in a row",
        why=str(error),
        next_step="run the job again when GitHub is well; what is done is not done twice",
    )


def _make_retry(clock: Clock) -> GithubRetry:
    """Only for reads, and only on the clock that we were given."""

    class Patient(GithubRetry):
        def sleep(self, response: Any = None) -> None:
            asked = self.get_retry_after(response) if response is not None else None
            clock.sleep(asked if asked is not None else self.get_backoff_time())

    return Patient(
        total=READ_TRIES,
        allowed_methods=frozenset({"GET", "HEAD"}),
        backoff_factor=1,
        secondary_rate_wait=SECONDARY_WAIT_SECONDS,
        max_rate_limit_wait=LONGEST_WAIT_SECONDS,
    )


@contextmanager
def _translated(action: str) -> Iterator[None]:
    """The library's and the wire's errors as ours."""
    try:
        yield
    except GithubException as error:
        raise _explain(error, action) from error
    except RequestException as error:
        raise Passing(f"{type(error).__name__} when trying to {action}") from error


def _explain(error: GithubException, action: str) -> Exception:
    words = str(error.message or (error.data or {}).get("message") or error)
    headers = {key.lower(): value for key, value in (error.headers or {}).items()}
    limited = any(word in words.lower() for word in _LIMIT_WORDS) or "RATE_LIMITED" in str(
        error.data
    )
    if error.status == 429 or (limited and error.status in (200, 400, 403)):
        return Passing(words, seconds=_asked_wait(headers))
    if error.status >= 500:
        return Passing(f"{error.status} {words}")
    if error.status == 403 or "FORBIDDEN" in str(error.data):
        return _not_allowed(action, words)
    if error.status == 404:
        return NotFound(f"could not {action}: GitHub answers 404", why=words, next_step=_SEEN)
    kind = Conflicting if error.status in (405, 409) else EnvironmentFault
    return kind(f"could not {action}: GitHub answers {error.status}", why=words)


_SEEN = "check the address; a token that may not see a thing gets the same answer"


def _asked_wait(headers: Mapping[str, Any]) -> float:
    try:
        return float(headers.get("retry-after") or SECONDARY_WAIT_SECONDS)
    except ValueError:
        return SECONDARY_WAIT_SECONDS


def _not_allowed(action: str, words: str) -> NotAllowed:
    needed = "actions: write" if "workflow" in action else "issues: write"
    return NotAllowed(
        f"the token may not {action}",
        why=words,
        next_step=f"give the job this permission in the workflow file: `permissions: {needed}`",
    )


def _partial(error: GithubException) -> dict[str, Any]:
    data = error.data.get("data") if isinstance(error.data, dict) else None
    return data if isinstance(data, dict) else {}


def _take(data: Mapping[str, Any], take: Callable[[int, dict[str, Any]], None]) -> None:
    for alias, found in data.items():
        if found:
            take(int(alias.removeprefix("m")), found)
