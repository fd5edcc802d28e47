"""Drives any program that reads a prompt from standard input and changes the worktree."""

from __future__ import annotations

from dataclasses import dataclass

from concertmaster.agents.protocol import (
    FINAL_TEXT_LIMIT,
    REASON_LIMIT,
    Agent,
    AgentActivity,
    AgentReport,
    AgentRequest,
    OutputReader,
    activity,
    last_text,
    one_line,
)


@dataclass(frozen=True, slots=True)
class Command(Agent):
    """An agent given as one line of shell; exit code 0 means success."""

    command: str
    environment: frozenset[str] = frozenset()

    def argv(self, request: AgentRequest) -> tuple[str, ...]:
        return ("/bin/sh", "-c", self.command)

    def reader(self, request: AgentRequest) -> OutputReader:
        return CommandReader()

    def tells_cost(self) -> bool:
        return False


class CommandReader:
    """Keeps the end of the program's output; the exit code alone decides success."""

    def __init__(self) -> None:
        self._end = bytearray()

    def feed(self, line: bytes) -> AgentActivity | None:
        line = line.rstrip(b"\r\n")
        self._end += line + b"\n"
        if len(self._end) > 8 * FINAL_TEXT_LIMIT:
            del self._end[: -4 * FINAL_TEXT_LIMIT]  # a character takes at most four bytes
        shown = activity("", line.decode("utf-8", "replace"))
        return shown if shown.subject else None

    def finish(self, *, exit_ok: bool, exit_text: str) -> AgentReport:
        return AgentReport(
            ok=exit_ok,
            reason="" if exit_ok else one_line(exit_text, REASON_LIMIT),
            final_text=last_text(self._end.decode("utf-8", "replace")),
        )
