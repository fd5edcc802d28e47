"""Watches how much room the machine has, and says when that changes what may start."""

from __future__ import annotations

import threading
from collections.abc import Callable

from concertmaster.commands import MeasureRoom
from concertmaster.events import Throttled
from concertmaster.model import Shortage
from concertmaster.sandbox.resources import FreeResources, ResourceState, judge_resources


class ResourceMonitor:
    """A thread that looks every few seconds, as a context manager.

    It keeps nothing alive, and nobody waits for its end: a measurement may hang with its disk.
    """

    def __init__(
        self,
        measure: Callable[[], FreeResources],
        post: Callable[[Throttled], None],
        *,
        seconds: float,
        short: Shortage | None = None,
    ) -> None:
        """`measure` may raise OSError; `short` is what the receiver of `post` takes for short."""
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
        """Tell what is short if that has changed. What cannot be measured has not."""
        try:
            free = self._measure()
        except OSError:
            return
        with self._lock:
            strain = judge_resources(free, self._short)
            if strain.short is not self._short:
                self._tell(strain)

    def answer(self, command: MeasureRoom) -> None:
        """Tell what is short, whatever it was before: nothing runs that could start and stop the
        waiting. For what cannot be measured nobody waits."""
        try:
            strain = judge_resources(self._measure())
        except OSError:
            strain = ResourceState()
        with self._lock:
            self._tell(strain, is_answer=True)

    def _tell(self, strain: ResourceState, *, is_answer: bool = False) -> None:
        self._short = strain.short
        self._post(Throttled(short=strain.short, reason=strain.reason, is_answer=is_answer))
