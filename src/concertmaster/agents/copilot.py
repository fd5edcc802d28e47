"""Drives the command line of GitHub Copilot: builds its arguments and reads its events."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from concertmaster.agents.error_patterns import read_reset
from concertmaster.agents.event_reader import EventReader
from concertmaster.agents.json_events import first_text_in, list_in, object_in, session_in, text_in
from concertmaster.agents.protocol import (
    Agent,
    AgentActivity,
    AgentRequest,
    NoProgress,
    OutputReader,
    activity,
)
from concertmaster.agents.providers import describe_status

_ENVIRONMENT = frozenset(
    """
    COPILOT_GITHUB_TOKEN COPILOT_GH_HOST COPILOT_HOME COPILOT_MODEL COPILOT_OFFLINE
    COPILOT_PROVIDER_BASE_URL COPILOT_PROVIDER_TYPE COPILOT_PROVIDER_API_KEY
    COPILOT_PROVIDER_BEARER_TOKEN COPILOT_PROVIDER_WIRE_API COPILOT_PROVIDER_AZURE_API_VERSION
    COPILOT_PROVIDER_MODEL_ID COPILOT_PROVIDER_WIRE_MODEL COPILOT_PROVIDER_MAX_PROMPT_TOKENS
    COPILOT_PROVIDER_MAX_OUTPUT_TOKENS COPILOT_PROVIDER_HEADERS
    """.split()
)
_SUBJECTS = ("path", "command", "pattern", "url", "description")
_READING_TOOLS = "view,grep,glob"
_MOST_REJECTIONS = 2  # it would try three times
_LONGEST_WAIT_SECONDS = 60.0  # it would wait in silence for as long as the answer says


@dataclass(frozen=True, slots=True)
class Copilot(Agent):
    """The GitHub Copilot agent; `program` is its path, `model` its model."""

    program: str
    model: str = ""
    environment: frozenset[str] = _ENVIRONMENT

    def argv(self, request: AgentRequest) -> tuple[str, ...]:
        """Return the arguments; without `-p` copilot reads its prompt from standard input."""
        return (
            *(self.program, "--output-format", "json", "--no-color", "--no-auto-update"),
            *("--no-ask-user", "--allow-all-tools"),
            *(_reading() if request.reads_only else ()),
            *(("--model", self.model) if self.model else ()),
            *((f"--resume={request.session}",) if request.session else ()),
        )

    def reader(self, request: AgentRequest) -> OutputReader:
        return CopilotReader(model=self.model)

    def variables(self, request: AgentRequest) -> Mapping[str, str]:
        """Return the model, which it asks for by this name where a provider of its own is set."""
        return {"COPILOT_MODEL": self.model} if self.model else {}

    def tells_cost(self) -> bool:
        return False


def _reading() -> tuple[str, ...]:
    return (
        *(f"--available-tools={_READING_TOOLS}", "--deny-tool=shell", "--deny-tool=write"),
        *("--disable-builtin-mcps", "--no-custom-instructions"),
    )


class CopilotReader(EventReader):
    """Reads the output of copilot, which tells neither tokens nor cost."""

    _rejections = 0  # in a row

    def take(self, event: dict[str, Any]) -> AgentActivity | None:
        data = object_in(event, "data")
        match event.get("type"):
            case "assistant.message":
                self.error, self._rejections = "", 0
                if not list_in(data, "toolRequests"):
                    self.say(text_in(data, "content"))
            case "tool.execution_start":
                given = object_in(data, "arguments")
                return activity(text_in(data, "toolName"), first_text_in(given, _SUBJECTS))
            case "model.call_failure":
                self._take_failure(data)
            case "session.error":
                words = text_in(data, "message") or "it told of an error"
                self.error = words + describe_status(data.get("statusCode"))
                if data.get("statusCode") == 404:
                    self.error += " model_not_found"
            case "result":
                self.session = session_in(event, "sessionId") or self.session
                self.has_ended = event.get("exitCode") == 0
            case _:
                pass
        return None

    def _take_failure(self, data: dict[str, Any]) -> None:
        """End what copilot would only repeat: a rejected login, or a long wait for a limit."""
        words, status = text_in(data, "errorMessage"), data.get("statusCode")
        self.error = words + describe_status(status)
        self._rejections = self._rejections + 1 if status == 401 else 0
        until = read_reset(words) if status == 429 else None
        is_long = until is not None and until > time.time() + _LONGEST_WAIT_SECONDS
        if self._rejections >= _MOST_REJECTIONS or is_long:
            raise NoProgress(self.error)
