"""Drives the codex command line: builds its arguments and reads its stream of events."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from concertmaster.agents.error_patterns import tells_missing_session
from concertmaster.agents.json_events import count_in, list_in, object_in, session_in, text_in
from concertmaster.agents.prices import estimate_cost, find_price
from concertmaster.agents.protocol import (
    Agent,
    AgentActivity,
    AgentReport,
    AgentRequest,
    NoProgress,
    OutputReader,
    activity,
    classify_report,
    last_text,
    parse_object,
    say_reason,
)
from concertmaster.model import Usage

_ENVIRONMENT = frozenset(
    """
    OPENAI_API_KEY OPENAI_BASE_URL OPENAI_ORGANIZATION OPENAI_PROJECT AZURE_OPENAI_API_KEY
    CODEX_API_KEY CODEX_ACCESS_TOKEN CODEX_CA_CERTIFICATE CODEX_HOME
    """.split()
)
_SESSION = re.compile(r"([0-9A-Za-z][0-9A-Za-z_-]{0,99})(?::(\d{1,11}):(\d{1,11}):(\d{1,11}))?")
_EMPTY = "usage limit reached: the turn came back empty"
_WAITING = "waiting for network"
_MOST_WAITS = 2  # in a row; codex doubles its pauses and goes on for ever, these take 20 seconds


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """The token counts of a thread; `cached_input` is part of `input`."""

    input: int = 0
    cached_input: int = 0
    output: int = 0

    def since(self, before: TokenCounts) -> TokenCounts:
        """Return the tokens counted after `before`, or all if the counts were reset."""
        if self.input < before.input or self.output < before.output:
            return self
        cached = max(0, self.cached_input - before.cached_input)
        return TokenCounts(self.input - before.input, cached, self.output - before.output)


@dataclass(frozen=True, slots=True)
class CodexSession:
    """A codex thread and its token counts so far, which continue when it is resumed."""

    thread: str = ""
    counts: TokenCounts = TokenCounts()

    def __str__(self) -> str:
        counts = self.counts
        if not self.thread or counts == TokenCounts():
            return self.thread
        return f"{self.thread}:{counts.input}:{counts.cached_input}:{counts.output}"


def read_session(text: str) -> CodexSession:
    """Parse `str(CodexSession)`; return an empty session if the text is not valid."""
    found = _SESSION.fullmatch(text)
    if not found:
        return CodexSession()
    return CodexSession(found[1], TokenCounts(*(int(count or 0) for count in found.groups()[1:])))


@dataclass(frozen=True, slots=True)
class Codex(Agent):
    """The Codex agent; `program` is its path, `model` its model."""

    program: str
    model: str = ""
    environment: frozenset[str] = _ENVIRONMENT
    is_sandboxed: bool = True

    def argv(self, request: AgentRequest) -> tuple[str, ...]:
        """Return the arguments; options precede `resume`, because `resume` takes few of them."""
        thread = read_session(request.session).thread
        return (
            *(self.program, "exec", "--json"),
            *("--skip-git-repo-check", "--color", "never"),
            *("--sandbox", self._sandbox(request)),
            *_base_url(request.environment),
            *(("--model", self.model) if self.model else ()),
            *(("--output-schema", request.schema_file) if request.schema_file else ()),
            *(("resume", thread) if thread else ()),
            "-",
        )

    def _sandbox(self, request: AgentRequest) -> str:
        if not self.is_sandboxed:
            return "danger-full-access"
        return "read-only" if request.reads_only else "workspace-write"

    def reader(self, request: AgentRequest) -> OutputReader:
        return CodexReader(model=self.model, session=request.session)

    def variables(self, request: AgentRequest) -> Mapping[str, str]:
        """Return CODEX_API_KEY: `codex exec` does not read OPENAI_API_KEY.

        A login in the home of codex takes precedence, as CODEX_API_KEY would replace it.
        """
        given = request.environment
        key = given.get("OPENAI_API_KEY", "")
        if not key or "CODEX_API_KEY" in given or _has_login(given):
            return {}
        return {"CODEX_API_KEY": key}

    def tells_cost(self) -> bool:
        return find_price(self.model) is not None

    def sandbox_probe(self) -> tuple[str, ...]:
        return (self.program, "sandbox", "--", "true")

    def without_sandbox(self) -> Codex:
        return replace(self, is_sandboxed=False)


def _base_url(given: Mapping[str, str]) -> tuple[str, ...]:
    """Return the option for OPENAI_BASE_URL, a variable that codex does not read."""
    url = given.get("OPENAI_BASE_URL", "")
    return ("-c", f"openai_base_url={json.dumps(url)}") if url else ()


def _has_login(given: Mapping[str, str]) -> bool:
    home = Path(given.get("CODEX_HOME") or Path(given.get("HOME") or "/", ".codex"))
    with suppress(OSError):
        return (home / "auth.json").is_file()
    return False


class CodexReader:
    """Reads the output of codex: one JSON event on each line. Unknown events are ignored."""

    def __init__(self, *, model: str = "", session: str = "") -> None:
        self._model = model
        self._before = read_session(session)
        self._thread = ""
        self._end: dict[str, Any] = {}  # turn.completed or turn.failed
        self._error = ""
        self._waits = 0  # in a row
        self._did_something = False
        self._is_able = False  # an edit or a command succeeded
        self._in_vain = ""  # the last edit that failed
        self._final_text = ""
        self._ignored_lines = 0

    def feed(self, line: bytes) -> AgentActivity | None:
        event = parse_object(line)
        if event is None:
            self._ignored_lines += bool(line.strip())
            return None
        self._count_waits(event)
        match event.get("type"):
            case "thread.started":
                self._thread = session_in(event, "thread_id") or self._thread
            case "turn.completed" | "turn.failed":
                self._end = event
            case "error":  # codex may retry and succeed
                self._error = text_in(event, "message")
            case "item.started" | "item.completed" as kind:
                return self._take_item(object_in(event, "item"), kind)
            case _:
                pass
        return None

    def _count_waits(self, event: dict[str, Any]) -> None:
        is_wait = event.get("type") == "error" and _WAITING in text_in(event, "message")
        self._waits = self._waits + 1 if is_wait else 0
        if self._waits >= _MOST_WAITS:
            self._error = text_in(event, "message")
            raise NoProgress(self._error)

    def finish(self, *, exit_ok: bool, exit_text: str) -> AgentReport:
        told = self._failure(exit_text)
        reason = told or ("" if exit_ok else f"success, but then {exit_text}")
        counts = self._counts()
        report = AgentReport(
            ok=not reason,
            reason=say_reason(reason),
            session=str(CodexSession(self._thread or self._before.thread, counts)),
            usage=self._usage(counts),
            session_missing=not self._thread and tells_missing_session(told),
            final_text=last_text(self._final_text),
        )
        return classify_report(report, told)

    def _take_item(self, item: dict[str, Any], kind: str) -> AgentActivity | None:
        self._did_something |= item.get("type") not in ("error", None)
        started = kind == "item.started"
        match item.get("type"):
            case "agent_message" if not started:
                self._final_text = text_in(item, "text")
            case "command_execution" if started:
                return activity("shell", text_in(item, "command"))
            case "command_execution":
                self._is_able |= item.get("exit_code") == 0
            case "file_change" if not started:
                return self._take_edit(item)
            case "mcp_tool_call" if started:
                return activity(text_in(item, "tool"), text_in(item, "server"))
            case "web_search" if started:
                return activity("search", text_in(item, "query"))
            case _:
                pass
        return None

    def _take_edit(self, item: dict[str, Any]) -> AgentActivity:
        changes = [one for one in list_in(item, "changes") if isinstance(one, dict)]
        paths = " ".join(text_in(one, "path") for one in changes)
        if item.get("status") != "failed":
            self._is_able = True
            return activity("edit", paths)
        self._in_vain = paths
        return activity("failed edit", paths)

    def _failure(self, exit_text: str) -> str:
        """Return why the turn failed, in codex's own words if possible; "" if it succeeded."""
        match self._end.get("type"):
            case "turn.completed":
                if self._in_vain and not self._is_able:
                    return f"its edits and commands failed, at last the edit of {self._in_vain}"
                return "" if self._did_something else _EMPTY
            case "turn.failed":
                return text_in(object_in(self._end, "error"), "message") or "the turn failed"
            case _:
                ignored = f" ({self._ignored_lines} lines were no events)"
                told = f"{self._error}: {exit_text}" if self._error else exit_text
                return f"ended without its final event: {told}{ignored * bool(self._ignored_lines)}"

    def _counts(self) -> TokenCounts:
        """Return the token counts of the whole thread, including those of earlier processes."""
        usage = object_in(self._end, "usage")
        if not usage:
            return self._before.counts
        return TokenCounts(
            count_in(usage, "input_tokens"),
            count_in(usage, "cached_input_tokens"),
            count_in(usage, "output_tokens"),
        )

    def _usage(self, counts: TokenCounts) -> Usage:
        if not object_in(self._end, "usage"):
            return Usage()
        new = counts.since(self._before.counts)
        return estimate_cost(
            self._model,
            input_tokens=new.input,
            cached_tokens=new.cached_input,
            output_tokens=new.output,
        )
