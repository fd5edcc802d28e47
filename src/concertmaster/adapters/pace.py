"""Keeps our writes inside GitHub's limits on content: one a second, 80 a minute, 500 an hour."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

GAP_SECONDS = 1.0
# (seconds, most creations within them); a little below the documented 80 and 500.
WINDOWS = ((60.0, 75), (3600.0, 480))


class Clock(Protocol):
    """Time that tests can bend."""

    def now(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class Pace:
    """Waits before a write until it may be sent. `told` hears of waits that a person notices."""

    def __init__(self, clock: Clock, *, told: Callable[[str], None] = lambda text: None) -> None:
        self._clock = clock
        self._told = told
        self._lock = threading.Lock()
        self._sent: deque[float] = deque(maxlen=max(most for _, most in WINDOWS))

    def await_turn(self, creations: int = 1) -> None:
        """Return when `creations` more may be sent; they count as sent now."""
        with self._lock:
            for _ in range(creations):
                pause = self._pause()
                if pause > GAP_SECONDS:
                    self._told(f"waiting {pause:.0f} s, to stay inside GitHub's limits")
                if pause > 0:
                    self._clock.sleep(pause)
                self._sent.append(self._clock.now())

    def _pause(self) -> float:
        now = self._clock.now()
        waits = [0.0]
        for seconds, most in WINDOWS:
            if len(self._sent) >= most:
                waits.append(self._sent[-most] + seconds - now)
        return max(waits)
