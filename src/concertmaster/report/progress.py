"""Defines who watches a run."""

from __future__ import annotations

from typing import Protocol

from concertmaster.events import Event
from concertmaster.run.state import RunState


class ProgressListener(Protocol):
    """Watches a run. `activity` may be called from any thread."""

    def update(self, state: RunState, event: Event) -> None:
        """The event happened and left the run in this state."""

    def activity(self, task: str, text: str) -> None:
        """What the task's agent does right now."""

    def notice(self, text: str) -> None:
        """What the user has to know at once, as that the run is being interrupted."""
