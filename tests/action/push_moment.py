"""Runs a function at the moment a push arrives at the GitHub double, and ends the time of a job."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from concertmaster.engine import signals
from tests.github.hosting import Hosting, read_push, unpacked


def at_first_push(patch: pytest.MonkeyPatch, branch: str, act: Callable[[], None]) -> list[str]:
    """Call `act` before the first push to a branch whose name contains `branch` is taken.

    Return a list that holds the refs of that push once it arrived.
    """
    take, came = Hosting.push, list[str]()

    def push(hosting: Hosting, repository: Any, token: Any, request: Any, *, rest: str) -> Any:
        refs = [move.ref for move in read_push(unpacked(request)).moves]
        if not came and any(branch in ref.rpartition("/")[2] for ref in refs):
            came.extend(refs)
            act()
        return take(hosting, repository, token, request, rest=rest)

    patch.setattr(Hosting, "push", push)
    return came


def end_the_time(patch: pytest.MonkeyPatch, *, when: Callable[[], object]) -> None:
    """End the time of a job as soon as `when` is true, instead of after its minutes."""

    class Bell(threading.Timer):
        def run(self) -> None:
            while not self.finished.wait(0.01):
                if when():
                    self.finished.set()
                    self.function(*self.args, **self.kwargs)

    patch.setattr(signals, "threading", SimpleNamespace(Timer=Bell))  # no other timer
