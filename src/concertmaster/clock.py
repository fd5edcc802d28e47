"""Declares the clock as a protocol that tests replace."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """A source of time; `now` returns epoch seconds."""

    def now(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The clock of the system."""

    def now(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
