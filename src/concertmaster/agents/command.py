"""Drives any program that reads a prompt from its standard input and works where it stands."""

from __future__ import annotations

from dataclasses import dataclass

from concertmaster.agents.protocol import (
    FINAL_TEXT_LIMIT,
    REASON_LIMIT,
    AgentActivity,
    AgentReport,
    AgentRequest,
    OutputReader,
    activity,
    last_text,
    one_line,
)


@dataclass(frozen=True, slots=True)
class Command:
    """A line of shell; exit 0 and a diff = done."""

    command: str
    environment: frozenset[str] = frozenset()

    def argv(self, request: AgentRequest) -> tuple[str, ...]:
        return ("/bin/sh", "-c", self.command)

    def reader(self, request: AgentRequest) -> OutputReader:
        return CommandReader()


class CommandReader:
    """Keeps the end of what the program prints; only its exit tells how it went."""

    def __init__(self) -> None:
        self._end = bytearray()

    def feed(self, line: bytes) -> AgentActivity | None:
        line = line.rstrip(b"\r\n")
        self._end += line + b"\n"
        if len(self._end) > 8 * FINAL_TEXT_LIMIT:
            del self._end[: -4 * FINAL_TEXT_LIMIT]  # a character has at most four bytes
        shown = activity("", line.decode("utf-8", "replace"))
        return shown if shown.subject else None

    def finish(self, *, exit_ok: bool, exit_text: str) -> AgentReport:
        return AgentReport(
            ok=exit_ok,
            reason="" if exit_ok else one_line(exit_text, REASON_LIMIT),
            final_text=last_text(self._end.decode("utf-8", "replace")),
        )
