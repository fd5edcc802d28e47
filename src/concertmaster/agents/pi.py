"""Drives the pi command line: builds its arguments and reads its stream of events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from concertmaster.agents.event_reader import EventReader
from concertmaster.agents.json_events import (
    count_in,
    first_text_in,
    list_in,
    object_in,
    session_in,
    text_in,
)
from concertmaster.agents.prices import estimate_cost, prefer_told
from concertmaster.agents.protocol import (
    Agent,
    AgentActivity,
    AgentRequest,
    OutputReader,
    activity,
    number_in,
)
from concertmaster.agents.providers import PROVIDER_KEYS
from concertmaster.model import Usage

_ENVIRONMENT = PROVIDER_KEYS | {"PI_CODING_AGENT_DIR", "PI_OFFLINE"}
_SUBJECTS = ("path", "command", "pattern")
_INPUT = ("input", "cacheRead", "cacheWrite")
# A session that goes on has the tools that it began with, which may be those of a reader.
_WRITING = ("--tools", "+bash,+edit,+write")
# Neither files of the tree nor extensions may tell a reader what to do.
_READING = (
    "--tools read,grep,find,ls --no-approve --no-context-files --no-extensions --no-skills "
    "--no-mcp --no-prompt-templates"
).split()


@dataclass(frozen=True, slots=True)
class Pi(Agent):
    """The pi agent; `program` is its path, `model` its model as `provider/model`."""

    program: str
    model: str = ""
    environment: frozenset[str] = _ENVIRONMENT

    def argv(self, request: AgentRequest) -> tuple[str, ...]:
        return (
            *(self.program, "--print", "--mode", "json"),
            *(_READING if request.reads_only else _WRITING),
            *(("--model", self.model) if self.model else ()),
            *(("--session", request.session) if request.session else ()),
        )

    def reader(self, request: AgentRequest) -> OutputReader:
        return PiReader(model=self.model)

    def variables(self, request: AgentRequest) -> Mapping[str, str]:
        return {"PI_SKIP_VERSION_CHECK": "1", "PI_TELEMETRY": "0"}


class PiReader(EventReader):
    """Reads the output of pi, which exits with 0 also when the model refused the key."""

    def take(self, event: dict[str, Any]) -> AgentActivity | None:
        message = object_in(event, "message")
        match event.get("type"):
            case "session":
                self.session = session_in(event, "id") or self.session
            case "message_end" if message.get("role") == "assistant":
                self._take_message(message)
            case "tool_execution_start":
                given = object_in(event, "args")
                return activity(text_in(event, "toolName"), first_text_in(given, _SUBJECTS))
            case "auto_retry_end" if event.get("success") is False:
                self.error = text_in(event, "finalError") or self.error
            case _:
                pass
        return None

    def _take_message(self, message: dict[str, Any]) -> None:
        reason, parts = message.get("stopReason"), list_in(message, "content")
        self.has_ended = reason == "stop"
        texts = [text_in(part, "text") for part in parts if isinstance(part, dict)]
        self.say("\n".join(text for text in texts if text))
        self.usage += self._usage_of(object_in(message, "usage"))
        self.error = ""
        if reason not in ("stop", "toolUse"):
            self.error = text_in(message, "errorMessage") or f"it stopped: {reason}"

    def _usage_of(self, used: dict[str, Any]) -> Usage:
        cost = number_in(object_in(used, "cost").get("total"))
        estimate = estimate_cost(
            self.model,
            input_tokens=count_in(used, *_INPUT),
            cached_tokens=count_in(used, "cacheRead"),
            output_tokens=count_in(used, "output"),
        )
        return prefer_told(cost, estimate)
