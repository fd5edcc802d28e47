"""Reads agents that print one JSON event on each line; a subclass knows what the events mean."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from concertmaster.agents.error_patterns import tells_missing_session
from concertmaster.agents.protocol import (
    FINAL_TEXT_LIMIT,
    AgentActivity,
    AgentReport,
    classify_report,
    last_text,
    parse_object,
    say_reason,
)
from concertmaster.model import Usage


class EventReader(ABC):
    """Keeps what the events tell. Unknown events, and lines that are no events, are ignored.

    Success needs an end that the events tell of, no error after the last work, and a good exit.
    """

    def __init__(self, *, model: str = "") -> None:
        self.model = model
        self.session = ""
        self.error = ""  # the last error with no work after it
        self.has_ended = False
        self.usage = Usage()
        self._said = ""
        self._ignored_lines = 0

    @abstractmethod
    def take(self, event: dict[str, Any]) -> AgentActivity | None:
        """Read one event; return the activity that it reports, if any."""

    def say(self, text: str) -> None:
        """Keep the agent's latest words."""
        self._said = text[-FINAL_TEXT_LIMIT:]

    def feed(self, line: bytes) -> AgentActivity | None:
        event = parse_object(line)
        if event is None:
            self._ignored_lines += bool(line.strip())
            return None
        return self.take(event)

    def finish(self, *, exit_ok: bool, exit_text: str) -> AgentReport:
        told = self.error or ("" if self.has_ended else self._cut_short(exit_text))
        reason = told or ("" if exit_ok else f"success, but then {exit_text}")
        report = AgentReport(
            ok=not reason,
            reason=say_reason(reason),
            session=self.session,
            usage=self.usage,
            session_missing=not self.session and tells_missing_session(told),
            final_text=last_text(self._said),
        )
        return classify_report(report, told)

    def _cut_short(self, exit_text: str) -> str:
        ignored = f" ({self._ignored_lines} lines were no events)" * bool(self._ignored_lines)
        return f"ended without its final event: {exit_text}{ignored}"
