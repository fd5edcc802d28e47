"""Measures the machine's free resources and posts an event when a shortage begins or ends."""

from __future__ import annotations

import threading
from collections.abc import Callable

from concertmaster.commands import MeasureRoom
from concertmaster.engine.repeated_look import RepeatedLook
from concertmaster.events import Throttled
from concertmaster.model import Shortage
from concertmaster.sandbox.resource_limits import FreeResources, ResourceState, judge_resources


class ResourceMonitor(RepeatedLook):
    """Measures every few seconds, in a thread of its own."""

    def __init__(
        self,
        measure: Callable[[], FreeResources],
        post: Callable[[Throttled], None],
        *,
        seconds: float,
        short: Shortage | None = None,
    ) -> None:
        """Make a monitor; `measure` may raise OSError, `short` is the shortage known so far."""
        super().__init__(name="monitor", seconds=seconds)
        self._measure = measure
        self._post = post
        self._short = short
        self._lock = threading.Lock()

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
