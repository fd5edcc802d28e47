"""Provides the double's time, which tests can move forward."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    def __init__(self) -> None:
        self._passed_seconds = 0.0

    def advance(self, seconds: float) -> None:
        self._passed_seconds += seconds

    def seconds(self) -> float:
        """Return the seconds since the epoch."""
        return time.time() + self._passed_seconds

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds(), UTC)


def stamp(moment: datetime) -> str:
    """Return the time in GitHub's form."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
