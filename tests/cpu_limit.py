"""Ends what takes far more time of the processor than it should, however busy the machine is."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class TooSlow(AssertionError):
    """The code under test has used up its time of the processor."""


@contextmanager
def cpu_limit(*, seconds: float) -> Iterator[None]:
    """Raise TooSlow once the process has computed for this long inside the context.

    `re` looks at signals now and then, so this ends a pattern too.
    """

    def end(_signal: int, _frame: FrameType | None) -> None:
        raise TooSlow(f"it took more than {seconds:g} seconds of the processor")

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        signal.signal(signal.SIGVTALRM, before)
