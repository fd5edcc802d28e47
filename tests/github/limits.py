"""Enforces GitHub's rate limits: primary by the hour, secondary by the minute, content by both."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass

from tests.github.clock import Clock
from tests.github.exchange import Object, Refused, Response, refuse
from tests.github.people import Token

MINUTE = 60.0
HOUR = 3600.0
SECONDARY = (
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """The limits; a test may pass smaller ones."""

    app_per_hour: int = 1_000
    user_per_hour: int = 5_000
    anonymous_per_hour: int = 60
    rest_points_per_minute: int = 900
    query_points_per_minute: int = 2_000
    content_per_minute: int = 80
    content_per_hour: int = 500
    retry_after_seconds: int = 60


@dataclass(slots=True, kw_only=True)
class Window:
    """An hour of the primary limit; `started` is in seconds since the epoch."""

    started: float
    used: int = 0


class Limits:
    def __init__(self, clock: Clock, *, allowance: Allowance | None = None) -> None:
        self.clock = clock
        self.allowance = allowance or Allowance()
        self._windows: dict[tuple[str, str], Window] = {}
        self._points: defaultdict[tuple[str, str], deque[float]] = defaultdict(deque)

    def limit(self, token: Token | None) -> int:
        if token is None:
            return self.allowance.anonymous_per_hour
        return self.allowance.app_per_hour if token.app else self.allowance.user_per_hour

    def spend(self, token: Token | None, resource: str) -> None:
        """Count one call to `core` or `graphql` towards the hourly limit. Raises Refused."""
        if self._window(token, resource).used >= self.limit(token):
            raise self._exhausted(token, resource)
        self._window(token, resource).used += 1

    def give_back(self, token: Token | None, resource: str) -> None:
        """Uncount a call, because an answer with status 304 costs nothing."""
        self._window(token, resource).used -= 1

    def spend_points(self, token: Token | None, resource: str, points: int) -> None:
        core = resource == "core"
        allowed = self.allowance
        most = allowed.rest_points_per_minute if core else allowed.query_points_per_minute
        self._spend(token, resource, amount=points, most=most, seconds=MINUTE)

    def spend_content(self, token: Token | None) -> None:
        """Count the creation of an issue, comment, pull request or relation. Raises Refused."""
        most = self.allowance.content_per_minute
        self._spend(token, "content/minute", amount=1, most=most, seconds=MINUTE)
        most = self.allowance.content_per_hour
        self._spend(token, "content/hour", amount=1, most=most, seconds=HOUR)

    def overview(self, token: Token | None, resource: str) -> Object:
        window = self._window(token, resource)
        limit = self.limit(token)
        return {
            "limit": limit,
            "used": window.used,
            "remaining": max(0, limit - window.used),
            "reset": int(window.started + HOUR),
        }

    def headers(self, token: Token | None, resource: str) -> dict[str, str]:
        overview = self.overview(token, resource)
        named = {f"X-RateLimit-{name.title()}": str(value) for name, value in overview.items()}
        return named | {"X-RateLimit-Resource": resource}

    def secondary(self, *, status: int = 403, retry_after_seconds: int | None = None) -> Refused:
        after = retry_after_seconds or self.allowance.retry_after_seconds
        refused = refuse(status, SECONDARY)
        answer = refused.response
        return Refused(
            Response(status=status, body=answer.body, headers={"Retry-After": str(after)})
        )

    def _spend(
        self, token: Token | None, kind: str, *, amount: int, most: int, seconds: float
    ) -> None:
        spent = self._points[owner_of(token), kind]
        now = self.clock.seconds()
        while spent and spent[0] <= now - seconds:
            spent.popleft()
        if len(spent) + amount > most:
            raise self.secondary()
        spent.extend([now] * amount)

    def _window(self, token: Token | None, resource: str) -> Window:
        key = owner_of(token), resource
        now = self.clock.seconds()
        window = self._windows.get(key)
        if window is None or now >= window.started + HOUR:
            window = self._windows[key] = Window(started=now)
        return window

    def _exhausted(self, token: Token | None, resource: str) -> Refused:
        who = "installation" if token and token.app else "user"
        refused = refuse(403, f"API rate limit exceeded for {who} ID {owner_of(token)}.")
        answer = refused.response
        if resource == "graphql":
            error = {"type": "RATE_LIMITED", "message": answer.body["message"]}
            return Refused(Response(body={"errors": [error]}))
        return refused


def owner_of(token: Token | None) -> str:
    """Return the key of the token's limits; app tokens of one repository share theirs."""
    if token is None:
        return "anonymous"
    return str(token.repository if token.app else token.user.id)
