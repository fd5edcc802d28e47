"""The time, as a protocol that tests replace."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Time that tests can bend."""

    def now(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """Real time."""

    def now(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
