"""Looks for requests to cancel single tasks and posts an event for each."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from pathlib import Path

from concertmaster.engine.repeated_look import RepeatedLook
from concertmaster.events import TaskCancelled
from concertmaster.files import run_folder

SECONDS_BETWEEN = 0.5


class CancelRequests(RepeatedLook):
    """Looks into the run's folder twice a second, in a thread of its own.

    A request stays until the journal has its event, so that a crash between the two loses nothing.
    """

    def __init__(
        self, folder: Path, tasks: Collection[str], post: Callable[[TaskCancelled], None]
    ) -> None:
        """Make the watch; names that are none of `tasks` are passed over."""
        super().__init__(name="cancellations", seconds=SECONDS_BETWEEN)
        self._folder = folder
        self._tasks = frozenset(tasks)
        self._post = post
        self._taken = set[str]()

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
