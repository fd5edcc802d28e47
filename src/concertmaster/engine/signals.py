"""Lets signals and the clock of a job end a run in good order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from concertmaster.engine.event_loop import EventLoop
from concertmaster.events import CancelRequested, StopRequested
from concertmaster.text.display import duration


@contextmanager
def end_after(loop: EventLoop, seconds: float | None) -> Iterator[None]:
    """Stop the run after `seconds`; None is no limit."""
    reason = f"the time of this job is over ({duration(seconds or 0.0)})"
    timer = threading.Timer(seconds or 0.0, loop.post, [StopRequested(reason=reason)])
    timer.daemon = True
    if seconds is not None:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def handle_signals(loop: EventLoop) -> Iterator[None]:
    """Handle signals: SIGINT and SIGHUP interrupt the run, SIGTERM cancels it.

    An earlier handler of SIGTERM is called as well.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        loop.interrupt()

    def cancel(number: int, frame: FrameType | None) -> None:
        loop.post(CancelRequested())
        if callable(other := before[signal.Signals(number)]):
            other(number, frame)

    wanted = {signal.SIGINT: interrupt, signal.SIGHUP: interrupt, signal.SIGTERM: cancel}
    before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
