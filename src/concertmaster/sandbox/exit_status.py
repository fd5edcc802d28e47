"""Describes how a command ended."""

from __future__ import annotations

import signal
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """The end of a command; `code` and `signal` are None if it never ran or was lost."""

    code: int | None = None
    signal: int | None = None
    timed_out: bool = False
    stopped: bool = False
    lost: bool = False  # its guard died, so its end is unknown
    error: str = ""  # the reason why it could not start
    seconds: float = 0.0
    log_start: int = 0  # the bytes that the log had before; a log may hold several commands
    failing: tuple[str, ...] = ()  # the tests that failed by the reports that it left

    @property
    def ok(self) -> bool:
        """True if the command ended by itself with exit code 0."""
        return self.code == 0 and not (self.timed_out or self.stopped or self.lost or self.error)

    def describe(self) -> str:
        """Return the end in a few words, such as "exit 1" or "killed by SIGKILL"."""
        if self.error:
            return f"could not start: {self.error}"
        if self.stopped:
            return "stopped"
        if self.timed_out:
            return f"timed out after {_duration(self.seconds)}"
        if self.lost:
            return "lost: its guard process was killed"
        if self.signal is not None:
            return f"killed by {_signal_name(self.signal)}"
        return f"exit {self.code}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # real-time signals have no names
        return f"signal {number}"


def _duration(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
