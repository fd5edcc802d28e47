"""Looks for requests to cancel single tasks and posts an event for each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path

from concertmaster.events import TaskCancelled
from concertmaster.files import run_folder

SECONDS_BETWEEN = 0.5


class CancelRequests:
    """A context manager whose thread looks into the run's folder twice a second.

    A request stays until the journal has its event, so that a crash between the two loses nothing.
    """

    def __init__(
        self, folder: Path, tasks: Collection[str], post: Callable[[TaskCancelled], None]
    ) -> None:
        """Make the watch; names that are none of `tasks` are passed over."""
        self._folder = folder
        self._tasks = frozenset(tasks)
        self._post = post
        self._taken = set[str]()
        self._over = threading.Event()

    def __enter__(self) -> CancelRequests:
        threading.Thread(target=self._watch, name="cancellations", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _watch(self) -> None:
        while not self._over.is_set():
            self.look()
            self._over.wait(SECONDS_BETWEEN)

    def look(self) -> None:
        """Post an event for each new request."""
        for event in self.take_new():
            self._post(event)

    def take_new(self) -> tuple[TaskCancelled, ...]:
        """Return an event for each request that was not taken before."""
        asked = self._tasks.intersection(run_folder.list_cancellations(self._folder))
        new = sorted(asked - self._taken)
        self._taken.update(new)
        return tuple(TaskCancelled(task=task, at=time.time()) for task in new)

    def forget(self, event: TaskCancelled) -> None:
        """Remove the request that the journal has recorded."""
        run_folder.forget_cancellation(self._folder, event.task)
