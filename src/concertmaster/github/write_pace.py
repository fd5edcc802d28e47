"""Paces writes below GitHub's limits on new content: 1 a second, 80 a minute, 500 an hour.

GitHub may take less than it documents; people saw 20 a minute and 150 an hour. It says so, and the
pace then stays below that.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from concertmaster.clock import Clock
from concertmaster.github.connection import NOTICED_SECONDS
from concertmaster.text.display import duration

GAP_SECONDS = 1.0
# (seconds, most creations within them); a little below the documented 80 and 500.
WINDOWS = ((60.0, 75), (3600.0, 480))
SLOW_GAP_SECONDS = 4.0  # for each creation, so 15 a minute
SLOW_WINDOWS = ((3600.0, 140),)


class WritePace:
    """A limiter that delays writes until they may be sent. `told` receives long waits."""

    def __init__(self, clock: Clock, *, told: Callable[[str], None] = lambda text: None) -> None:
        self._clock = clock
        self._told = told
        self._lock = threading.Lock()
        self._sent: deque[float] = deque(maxlen=max(most for _, most in WINDOWS))
        self._is_slow = False

    def slow_down(self) -> None:
        """Keep to 15 creations a minute from now on."""
        if not self._is_slow:
            self._told("GitHub takes new content slowly: going on with 15 a minute")
        self._is_slow = True

    @contextmanager
    def turn(self, creations: int = 1) -> Iterator[None]:
        """Run one write at a time, as soon as the limits leave room for its `creations`.

        A write counts from its end, because GitHub may have handled it at any time until then.
        """
        with self._lock:
            pause = self.seconds_until(creations)
            if pause >= NOTICED_SECONDS:
                self._told(f"waiting {duration(pause)} to stay inside GitHub's limits")
            if pause > 0:
                self._clock.sleep(pause)
            try:
                yield
            finally:
                self._sent.extend([self._clock.now()] * creations)

    def seconds_until(self, creations: int) -> float:
        """Return the seconds until the gap has passed and each window has room for so many."""
        gap = SLOW_GAP_SECONDS * creations if self._is_slow else GAP_SECONDS
        ends = [self._sent[-1] + gap] if self._sent else []
        for seconds, most in SLOW_WINDOWS if self._is_slow else WINDOWS:
            kept = max(0, most - creations)  # earlier creations that may still be in the window
            if len(self._sent) > kept:
                ends.append(self._sent[-kept - 1] + seconds)
        return max(0.0, *(end - self._clock.now() for end in ends)) if ends else 0.0
