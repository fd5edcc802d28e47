"""Drives the gemini command line: builds its arguments and reads its stream of events."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from concertmaster.agents.error_patterns import tells_missing_session
from concertmaster.agents.json_events import count_in, first_text_in, object_in, session_in, text_in
from concertmaster.agents.prices import estimate_cost
from concertmaster.agents.protocol import (
    FINAL_TEXT_LIMIT,
    Agent,
    AgentActivity,
    AgentReport,
    AgentRequest,
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
    GEMINI_API_KEY GEMINI_MODEL GEMINI_CLI_HOME GOOGLE_API_KEY GOOGLE_GEMINI_BASE_URL
    GOOGLE_CLOUD_PROJECT GOOGLE_GENAI_USE_VERTEXAI GOOGLE_GENAI_USE_GCA
    """.split()
)
_SUBJECTS = ("file_path", "absolute_path", "path", "dir_path", "command", "pattern", "query", "url")
_CLOUDS = ("GOOGLE_GENAI_USE_GCA", "GOOGLE_GENAI_USE_VERTEXAI")
_SYSTEM_DEFAULTS = Path("/etc/gemini-cli/system-defaults.json")
# Gemini ignores this file unless it and all folders above it belong to root, as in the image.
_KEY_SETTINGS = Path(__file__).with_name("gemini-key-settings.json")
_WRONG_TYPE = "Invalid auth method selected"
_CHOOSE_TYPE = (
    "; gemini takes GOOGLE_GEMINI_BASE_URL only if ~/.gemini/settings.json has"
    ' {"security": {"auth": {"selectedType": "gemini-api-key"}}}'
)
_EXIT = re.compile(r"exit (\d+)")
_MEANINGS = {
    "41": "it is not signed in",
    "42": "it does not take the prompt or the options",
    "44": "its sandbox failed",
    "52": "its settings are not valid",
    "53": "it met its limit of turns",
    "54": "one of its tools failed",
    "55": "it does not trust the folder",
    "130": "it was cancelled",
}


@dataclass(frozen=True, slots=True)
class Gemini(Agent):
    """The Gemini CLI agent; `program` is its path, `model` its model."""

    program: str
    model: str = ""
    environment: frozenset[str] = _ENVIRONMENT

    def argv(self, request: AgentRequest) -> tuple[str, ...]:
        """Return the arguments; without a terminal gemini reads its prompt from standard input."""
        return (
            *(self.program, "--output-format", "stream-json"),
            *("--approval-mode", "default" if request.reads_only else "yolo", "--skip-trust"),
            *(("--model", self.model) if self.model else ()),
            *((f"--resume={request.session}",) if request.session else ()),
        )

    def reader(self, request: AgentRequest) -> OutputReader:
        return GeminiReader(model=self.model)

    def variables(self, request: AgentRequest) -> Mapping[str, str]:
        """Return the path of settings that choose the key, where gemini would choose a gateway.

        GOOGLE_GEMINI_BASE_URL makes it choose the type `gateway`, which it then refuses.
        """
        given = request.environment
        is_cloud = "true" in (given.get(name) for name in _CLOUDS)
        has_both = given.get("GOOGLE_GEMINI_BASE_URL") and given.get("GEMINI_API_KEY")
        if is_cloud or not has_both or _SYSTEM_DEFAULTS.exists():
            return {}
        return {"GEMINI_CLI_SYSTEM_DEFAULTS_PATH": str(_KEY_SETTINGS)}


class GeminiReader:
    """Reads the output of gemini: one JSON event on each line. Unknown events are ignored."""

    def __init__(self, *, model: str = "") -> None:
        self._model = model
        self._session = ""
        self._has_answered = False  # it saves no session in which the model said nothing
        self._result: dict[str, Any] = {}
        self._error = ""  # the last error with no work after it
        self._said = ""  # text since the last use of a tool
        self._ignored_lines = 0

    def feed(self, line: bytes) -> AgentActivity | None:
        event = parse_object(line)
        if event is None:
            self._ignored_lines += bool(line.strip())
            return None
        match event.get("type"):
            case "init":
                self._session = session_in(event, "session_id") or self._session
                self._model = text_in(event, "model") or self._model
            case "message" if event.get("role") == "assistant":
                self._take_words(text_in(event, "content"), is_part=event.get("delta") is True)
            case "tool_use":
                self._said = self._error = ""
                self._has_answered = True
                subject = first_text_in(object_in(event, "parameters"), _SUBJECTS)
                return activity(text_in(event, "tool_name"), subject)
            case "error" if event.get("severity") == "error":
                self._error = text_in(event, "message") or "it told of an error without words"
            case "result":
                self._result = event
            case _:
                pass
        return None

    def finish(self, *, exit_ok: bool, exit_text: str) -> AgentReport:
        told = self._failure(exit_text)
        reason = told or ("" if exit_ok else f"success, but then {_explain(exit_text)}")
        report = AgentReport(
            ok=not reason,
            reason=say_reason(reason),
            session=self._session if self._has_answered else "",
            usage=self._usage(),
            session_missing=not self._session and tells_missing_session(told),
            final_text=last_text(self._said),
        )
        return classify_report(report, told)

    def _take_words(self, words: str, *, is_part: bool) -> None:
        self._error = ""
        self._has_answered = True
        self._said = (self._said + words if is_part else words)[-FINAL_TEXT_LIMIT:]

    def _failure(self, exit_text: str) -> str:
        """Return why it failed, in gemini's own words if possible; "" if it succeeded."""
        if not self._result:
            ignored = f" ({self._ignored_lines} lines were no events)" * bool(self._ignored_lines)
            told = f"{self._error}: " if self._error else ""
            return f"ended without its final event: {told}{_explain(exit_text)}{ignored}"
        if self._result.get("status") == "success":
            return self._error
        message = text_in(object_in(self._result, "error"), "message") or self._error
        return message or f"it ended with an error: {_explain(exit_text)}"

    def _usage(self) -> Usage:
        stats = object_in(self._result, "stats")
        models = object_in(stats, "models")
        if not stats:
            return Usage()
        if not models:  # some versions report only the sum
            return _usage_of(self._model, stats)
        used = [_usage_of(name, counts) for name, counts in models.items()]
        total = sum(used, Usage())
        if any(one.cost_usd is None for one in used):
            return Usage(input_tokens=total.input_tokens, output_tokens=total.output_tokens)
        return total


def _usage_of(model: str, counts: Any) -> Usage:
    """Return the usage of one model; `output_tokens` lack thoughts, which are priced as output."""
    counts = counts if isinstance(counts, dict) else {}
    tokens = count_in(counts, "input_tokens")
    output = max(count_in(counts, "output_tokens"), count_in(counts, "total_tokens") - tokens)
    return estimate_cost(
        model,
        input_tokens=tokens,
        cached_tokens=count_in(counts, "cached"),
        output_tokens=output,
    )


def _explain(exit_text: str) -> str:
    found = _EXIT.match(exit_text)
    meaning = _MEANINGS.get(found[1]) if found else None
    exit_text += _CHOOSE_TYPE if _WRONG_TYPE in exit_text else ""
    return f"{meaning} ({exit_text})" if meaning else exit_text
