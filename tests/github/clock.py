"""The double's time: the real one plus what a test has let pass."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    def __init__(self) -> None:
        self._passed_seconds = 0.0

    def advance(self, seconds: float) -> None:
        self._passed_seconds += seconds

    def seconds(self) -> float:
        """Since the epoch."""
        return time.time() + self._passed_seconds

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds(), UTC)


def stamp(moment: datetime) -> str:
    """As GitHub writes times."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
