"""Repeats a look in a thread of its own."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import Self


class RepeatedLook(ABC):
    """A context manager whose thread looks, and looks again after a rest.

    The thread is a daemon and is never joined, because a look may hang with its disk.
    """

    def __init__(self, *, name: str, seconds: float) -> None:
        """Give the thread its name; it rests `seconds` between two looks."""
        self._name = name
        self._seconds = seconds
        self._over = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._watch, name=self._name, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _watch(self) -> None:
        while not self._over.is_set():
            self.look()
            self._over.wait(self._seconds)

    @abstractmethod
    def look(self) -> None:
        """Look once."""
