"""Keeps an access token of a cloud fresh for as long as a job runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from concertmaster.clock import Clock
from concertmaster.errors import EnvironmentFault
from concertmaster.text.display import display

EARLY_SECONDS = 600.0  # before its end a token is renewed
PAUSE_SECONDS = 30.0  # after a renewal that failed
_SHORTEST_SECONDS, _LONGEST_SECONDS = 1.0, 7 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudToken:
    """An access token; `ends` is in epoch seconds."""

    value: str = field(repr=False)
    ends: float


class RenewedToken:
    """The newest token of a source, which is asked at once and again before a token ends.

    It is thread-safe. The source raises EnvironmentFault if the cloud refuses.
    """

    def __init__(self, source: Callable[[], CloudToken], *, clock: Clock) -> None:
        self._source, self._clock = source, clock
        self._lock = threading.Lock()
        self._token = source()
        self._next_try = 0.0

    def current(self) -> CloudToken:
        """Return a token that holds. Raises EnvironmentFault if the cloud gives none any more."""
        with self._lock:
            now = self._clock.now()
            if self._token.ends - now < EARLY_SECONDS and now >= self._next_try:
                self._renew()
            if self._token.ends <= self._clock.now():
                raise EnvironmentFault(
                    "the access token of the cloud has ended",
                    why="the cloud did not renew it",
                    next_step="see the log of the job `work`, and run it again",
                )
            return self._token

    def _renew(self) -> None:
        try:
            self._token = self._source()
        except EnvironmentFault:
            # The old token may hold for minutes, so the cloud is asked again before it ends.
            self._next_try = self._clock.now() + PAUSE_SECONDS


def read_token(answer: dict[str, Any], *, clock: Clock) -> CloudToken | None:
    """Return the token in an OAuth answer, None if it holds none."""
    value, seconds = answer.get("access_token"), answer.get("expires_in")
    if not isinstance(value, str) or not value:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float | str):
        return None
    try:
        held = float(seconds)
    except ValueError:
        return None
    if not _SHORTEST_SECONDS <= held <= _LONGEST_SECONDS:
        return None
    return CloudToken(value=value, ends=clock.now() + held)


def refused(cloud: str, words: str, *, next_step: str) -> EnvironmentFault:
    """Return the error for a cloud that gave no access; `words` are its own."""
    return EnvironmentFault(
        f"{cloud} gave no access token", why=display(words, limit=300), next_step=next_step
    )
