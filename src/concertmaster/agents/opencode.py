"""Drives the opencode command line: builds its arguments and reads its stream of events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from concertmaster.agents.event_reader import EventReader
from concertmaster.agents.json_events import count_in, first_text_in, object_in, session_in, text_in
from concertmaster.agents.prices import estimate_cost, prefer_told
from concertmaster.agents.protocol import (
    Agent,
    AgentActivity,
    AgentRequest,
    OutputReader,
    activity,
    number_in,
)
from concertmaster.agents.providers import PROVIDER_KEYS, describe_status

_ENVIRONMENT = PROVIDER_KEYS | {
    *("OPENCODE_API_KEY", "OPENCODE_AUTH_CONTENT", "OPENCODE_CONFIG", "OPENCODE_CONFIG_CONTENT"),
    *("OPENCODE_CONFIG_DIR", "OPENCODE_DISABLE_MODELS_FETCH", "OPENCODE_MODELS_PATH"),
}
_READING = {"*": "deny", "read": "allow", "grep": "allow", "glob": "allow", "list": "allow"}
_SUBJECTS = ("filePath", "command", "pattern", "path", "url", "description")


@dataclass(frozen=True, slots=True)
class Opencode(Agent):
    """The opencode agent; `program` is its path, `model` its model as `provider/model`."""

    program: str
    model: str = ""
    environment: frozenset[str] = _ENVIRONMENT

    def argv(self, request: AgentRequest) -> tuple[str, ...]:
        return (
            *(self.program, "run", "--format", "json"),
            *(("--pure",) if request.reads_only else ("--auto",)),
            *(("--model", self.model) if self.model else ()),
            *((f"--session={request.session}",) if request.session else ()),
        )

    def reader(self, request: AgentRequest) -> OutputReader:
        return OpencodeReader(model=self.model)

    def variables(self, request: AgentRequest) -> Mapping[str, str]:
        """Return variables that forbid updates, and all but reading where that is asked for."""
        found = {"OPENCODE_DISABLE_AUTOUPDATE": "1"}
        if request.reads_only:
            found["OPENCODE_PERMISSION"] = json.dumps(_READING)
            found["OPENCODE_DISABLE_PROJECT_CONFIG"] = "1"
        return found


class OpencodeReader(EventReader):
    """Reads the output of opencode; it says nothing while it tries an overloaded model again."""

    def take(self, event: dict[str, Any]) -> AgentActivity | None:
        self.session = session_in(event, "sessionID") or self.session
        part = object_in(event, "part")
        match event.get("type"):
            case "text":
                self.say(text_in(part, "text"))
            case "tool_use":
                self.error = ""
                given = object_in(object_in(part, "state"), "input")
                return activity(text_in(part, "tool"), first_text_in(given, _SUBJECTS))
            case "step_finish":
                self._finish_step(part)
            case "error":
                self.error = _describe(object_in(event, "error"))
            case _:
                pass
        return None

    def _finish_step(self, part: dict[str, Any]) -> None:
        self.has_ended = part.get("reason") == "stop"
        self.error = "" if part.get("reason") != "length" else "it met its limit of output tokens"
        tokens, cost = object_in(part, "tokens"), number_in(part.get("cost"))
        cached = count_in(object_in(tokens, "cache"), "read")
        used = estimate_cost(
            self.model,
            input_tokens=count_in(tokens, "input") + cached,
            cached_tokens=cached,
            output_tokens=count_in(tokens, "output", "reasoning"),
        )
        self.usage += prefer_told(cost, used)


def _describe(error: dict[str, Any]) -> str:
    data = object_in(error, "data")
    words = text_in(data, "message") or text_in(error, "name") or "it told of an error"
    return words + describe_status(data.get("statusCode"))
