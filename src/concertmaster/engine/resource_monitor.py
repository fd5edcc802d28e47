"""Measures the machine's free resources and posts an event when a shortage begins or ends."""

from __future__ import annotations

import threading
from collections.abc import Callable

from concertmaster.commands import MeasureRoom
from concertmaster.events import Throttled
from concertmaster.model import Shortage
from concertmaster.sandbox.resource_limits import FreeResources, ResourceState, judge_resources


class ResourceMonitor:
    """A context manager whose thread measures every few seconds.

    The thread is a daemon and is never joined, because a measurement may hang with its disk.
    """

    def __init__(
        self,
        measure: Callable[[], FreeResources],
        post: Callable[[Throttled], None],
        *,
        seconds: float,
        short: Shortage | None = None,
    ) -> None:
        """Make a monitor; `measure` may raise OSError, `short` is the shortage known so far."""
        self._measure = measure
        self._post = post
        self._seconds = seconds
        self._short = short
        self._lock = threading.Lock()
        self._over = threading.Event()

    def __enter__(self) -> ResourceMonitor:
        threading.Thread(target=self._watch, name="monitor", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _watch(self) -> None:
        while not self._over.is_set():
            self.look()
            self._over.wait(self._seconds)

    def look(self) -> None:
        """Measure once and post a changed shortage; a failed measurement changes nothing."""
        try:
            free = self._measure()
        except OSError:
            return
        with self._lock:
            strain = judge_resources(free, self._short)
            if strain.short is not self._short:
                self._tell(strain)

    def answer(self, command: MeasureRoom) -> None:
        """Measure once and post the shortage as the answer to the command, also if unchanged.

        A failed measurement counts as no shortage, so that the run does not wait for ever.
        """
        try:
            strain = judge_resources(self._measure())
        except OSError:
            strain = ResourceState()
        with self._lock:
            self._tell(strain, is_answer=True)

    def _tell(self, strain: ResourceState, *, is_answer: bool = False) -> None:
        self._short = strain.short
        self._post(Throttled(short=strain.short, reason=strain.reason, is_answer=is_answer))
