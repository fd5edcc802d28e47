"""Defines the interface of agents: their requests, output readers and reports.

The output of an agent is untrusted; these functions turn it into text and numbers that are safe
to show.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from concertmaster.agents.error_patterns import ErrorKind, classify_error, read_reset
from concertmaster.model import Usage

FINAL_TEXT_LIMIT = 64 * 1024  # characters
REASON_LIMIT = 500
_SUBJECT_LIMIT = 120
_LARGEST_NUMBER = 1e11  # tokens, dollars or epoch seconds; real values are smaller


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRequest:
    """A request to an agent; `text` is the whole prompt, passed on standard input."""

    text: str
    session: str = ""  # of an earlier AgentReport, to resume; "" = a new one
    reads_only: bool = False  # the agent may not change anything
    schema: Mapping[str, Any] = field(default_factory=dict)  # of the JSON answer, if one is wanted
    folder: str = ""  # for temporary files
    environment: Mapping[str, str] = field(default_factory=dict)  # handed on to its process

    @property
    def schema_file(self) -> str:
        """The path where the schema must be written before the agent starts, "" for none."""
        return f"{self.folder}/answer-schema.json" if self.schema and self.folder else ""


@dataclass(frozen=True, slots=True)
class AgentActivity:
    """The current activity of an agent, for the live view; `tool` is "" if it is unknown."""

    tool: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentReport:
    """The end of an agent process; `limited_until` is in epoch seconds, None if unknown."""

    ok: bool
    reason: str  # why it is not ok, "" if it is
    session: str = ""
    usage: Usage = Usage()
    limited: bool = False  # a usage limit was hit, which is no failure of the task
    limited_until: float | None = None
    no_access: bool = False  # no attempt can succeed until a person acts: key, balance, model
    transient: bool = False  # an immediate retry may succeed: overload, broken connection
    session_missing: bool = False  # the session to resume does not exist
    final_text: str = ""  # its last message, at most FINAL_TEXT_LIMIT characters


class NoProgress(Exception):
    """An agent process only waits, and has to be ended; its reader knows the reason."""


class OutputReader(Protocol):
    """Reads the output of one agent process; each process gets a new reader."""

    def feed(self, line: bytes) -> AgentActivity | None:
        """Read the next line of output; return the activity that it reports, if any.

        Raises NoProgress when the process only waits for something that may never come.
        """
        ...

    def finish(self, *, exit_ok: bool, exit_text: str) -> AgentReport:
        """Return the report, given all lines that were fed and how the process ended."""
        ...


class Agent(Protocol):
    """The command line of one coding agent, run with the worktree as working directory."""

    @property
    def environment(self) -> frozenset[str]:
        """The environment variables that its process may get beyond the common ones."""
        ...

    def argv(self, request: AgentRequest) -> tuple[str, ...]:
        """Return the program and its arguments for this request."""

    def reader(self, request: AgentRequest) -> OutputReader:
        """Return a reader for the output of one process that runs this request."""
        ...

    def variables(self, request: AgentRequest) -> Mapping[str, str]:
        """Return the environment variables that its process gets beside those handed on."""
        return {}

    def tells_cost(self) -> bool:
        """Return whether its reports tell the cost of this model, or an estimate of it."""
        return True

    def sandbox_probe(self) -> tuple[str, ...]:
        """Return a command that fails where its own sandbox does not work; () = it has none."""
        return ()

    def without_sandbox(self) -> Agent:
        """Return the same agent with its own sandbox switched off."""
        return self


def classify_report(report: AgentReport, told: str) -> AgentReport:
    """Return the report with the kind of its error, by `told`, the words of the command line."""
    kind = classify_error(told)
    return replace(
        report,
        limited=kind is ErrorKind.LIMIT,
        limited_until=read_reset(told) if kind is ErrorKind.LIMIT else None,
        no_access=kind is ErrorKind.NO_ACCESS,
        transient=kind is ErrorKind.TRANSIENT,
    )


def activity(tool: str, subject: str) -> AgentActivity:
    """Return an activity that is safe to show."""
    return AgentActivity(one_line(tool, _SUBJECT_LIMIT), one_line(subject, _SUBJECT_LIMIT))


def one_line(text: str, limit: int) -> str:
    """Return the text without control characters and line breaks, cut to `limit` characters."""
    shown = "".join(
        character if character.isprintable() else " " for character in text[: 4 * limit]
    )
    words = " ".join(shown.split())
    return words if len(words) <= limit else words[: limit - 1] + "…"


def say_reason(words: str) -> str:
    """Return the words of a failure in one line; a failure in blank words has a reason too."""
    return one_line(words, REASON_LIMIT) or ("it gave no reason" if words else "")


def last_text(text: str) -> str:
    """Return the last FINAL_TEXT_LIMIT characters of the text, without lone surrogates."""
    return text[-FINAL_TEXT_LIMIT:].encode("utf-8", "replace").decode()


def parse_object(raw: str | bytes) -> dict[str, Any] | None:
    """Parse `raw` as one JSON object; return None if it is not one."""
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def number_in(value: object) -> float:
    """Return the value if it is a number in the plausible range, else 0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return float(value) if 0 <= value <= _LARGEST_NUMBER else 0.0


def read_no_op(final_text: str) -> str:
    """Return the agent's reason why there is nothing to change, "" if it gives none.

    The text must end with the fenced JSON block `{"no_op": "reason"}`.
    """
    text = final_text.strip()
    before, fence, block = text.removesuffix("```").rpartition("```")
    if not (text.endswith("```") and fence) or (before and not before.endswith("\n")):
        return ""
    reason = (parse_object(block.removeprefix("json")) or {}).get("no_op")
    return one_line(reason, REASON_LIMIT) if isinstance(reason, str) else ""


def find_program(name: str, path: str) -> str:
    """Return the absolute path of the program on the search path, "" if it is not found.

    Relative entries are skipped, because they would lead to programs that an agent wrote.
    """
    entries = [entry for entry in path.split(os.pathsep) if Path(entry).is_absolute()]
    return shutil.which(name, path=os.pathsep.join(entries)) or ""
