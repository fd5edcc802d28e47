"""Keeps our writes inside GitHub's limits on content: one a second, 80 a minute, 500 an hour."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from concertmaster.clock import Clock
from concertmaster.text.display import duration

GAP_SECONDS = 1.0
NOTICED_SECONDS = 5.0
# (seconds, most creations within them); a little below the documented 80 and 500.
WINDOWS = ((60.0, 75), (3600.0, 480))


class WritePace:
    """Waits before a write until it may be sent. `told` hears of waits that a person notices."""

    def __init__(self, clock: Clock, *, told: Callable[[str], None] = lambda text: None) -> None:
        self._clock = clock
        self._told = told
        self._lock = threading.Lock()
        self._sent: deque[float] = deque(maxlen=max(most for _, most in WINDOWS))

    @contextmanager
    def turn(self, creations: int = 1) -> Iterator[None]:
        """One write at a time, begun when there is room for what it creates.

        It counts from its end: GitHub may have taken its time.
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
        """Until the gap has passed and every window has room for so many."""
        ends = [self._sent[-1] + GAP_SECONDS] if self._sent else []
        for seconds, most in WINDOWS:
            kept = max(0, most - creations)  # that many of those before may still be inside
            if len(self._sent) > kept:
                ends.append(self._sent[-kept - 1] + seconds)
        return max(0.0, *(end - self._clock.now() for end in ends)) if ends else 0.0
