"""What every agent has in common: how it is started, what is read from it, how it ended.

All that an agent prints is hostile: here it becomes text and numbers that are safe to show.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from concertmaster.model import Usage

FINAL_TEXT_LIMIT = 64 * 1024  # characters
REASON_LIMIT = 500
_SUBJECT_LIMIT = 120
_LARGEST_NUMBER = 1e11  # tokens, dollars, epoch seconds: nothing real comes near


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRequest:
    """What an agent is to do. `text` is the whole prompt and goes to its standard input."""

    text: str
    session: str = ""  # as an earlier report gave it; the agent goes on where that one ended
    reads_only: bool = False  # it may change nothing
    schema: Mapping[str, Any] = field(default_factory=dict)  # of the JSON to answer with, if any
    folder: str = ""  # for temporary files

    @property
    def schema_file(self) -> str:
        """Where the schema has to lie as a file before the agent starts; "" = there is none."""
        return f"{self.folder}/answer-schema.json" if self.schema and self.folder else ""


@dataclass(frozen=True, slots=True)
class AgentActivity:
    """What an agent is doing, for the live view; `tool` is "" where it does not tell."""

    tool: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentReport:
    """How an agent ended. `limited_until` is epoch seconds, None where nobody knows."""

    ok: bool
    reason: str  # why it is not ok
    session: str = ""
    usage: Usage = Usage()
    limited: bool = False  # it met a usage limit, which is no failure of the task
    limited_until: float | None = None
    transient: bool = False  # the same may go well at once: overload, a broken connection
    session_missing: bool = False  # the session to resume is gone
    final_text: str = ""  # its last word, several lines, at most FINAL_TEXT_LIMIT


class OutputReader(Protocol):
    """Reads the output of one agent process; made anew for each."""

    def feed(self, line: bytes) -> AgentActivity | None:
        """Take the next line of output, whatever it holds."""
        ...

    def finish(self, *, exit_ok: bool, exit_text: str) -> AgentReport:
        """Judge by all that was fed and by how the process ended."""
        ...


class Agent(Protocol):
    """One coding agent's command line; it runs with the worktree as working directory."""

    @property
    def environment(self) -> frozenset[str]:
        """Names of the variables that its process may have beyond the common ones."""
        ...

    def argv(self, request: AgentRequest) -> tuple[str, ...]: ...

    def reader(self, request: AgentRequest) -> OutputReader:
        """For the output of one process, started with the arguments of this request."""
        ...


def activity(tool: str, subject: str) -> AgentActivity:
    """An activity that is safe to show."""
    return AgentActivity(one_line(tool, _SUBJECT_LIMIT), one_line(subject, _SUBJECT_LIMIT))


def one_line(text: str, limit: int) -> str:
    """The text without control characters and line breaks, cut to `limit` characters."""
    shown = "".join(
        character if character.isprintable() else " " for character in text[: 4 * limit]
    )
    words = " ".join(shown.split())
    return words if len(words) <= limit else words[: limit - 1] + "…"


def last_text(text: str) -> str:
    """The end of the text, at most FINAL_TEXT_LIMIT characters, fit to be written as UTF-8."""
    return text[-FINAL_TEXT_LIMIT:].encode("utf-8", "replace").decode()


def parse_object(raw: str | bytes) -> dict[str, Any] | None:
    """The JSON object that is all of `raw`, None where there is none."""
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def number_in(value: object) -> float:
    """The value where it is a number that can be true, else 0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return float(value) if 0 <= value <= _LARGEST_NUMBER else 0.0


def read_no_op(final_text: str) -> str:
    """The agent's reason why there is nothing to change, "" where it gives none.

    It counts only as the last word: a fenced JSON block `{"no_op": "reason"}`.
    """
    text = final_text.strip()
    before, fence, block = text.removesuffix("```").rpartition("```")
    if not (text.endswith("```") and fence) or (before and not before.endswith("\n")):
        return ""
    reason = (parse_object(block.removeprefix("json")) or {}).get("no_op")
    return one_line(reason, REASON_LIMIT) if isinstance(reason, str) else ""


def find_program(name: str, path: str) -> str:
    """The absolute path of the program on the search path, "" where it is not there.

    Relative entries do not count: they would lead into the worktree, to what an agent wrote.
    """
    entries = [entry for entry in path.split(os.pathsep) if Path(entry).is_absolute()]
    return shutil.which(name, path=os.pathsep.join(entries)) or ""
