"""Drives any agent that speaks the Agent Client Protocol, by way of a bridge, and reads it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from concertmaster.agents import acp_bridge
from concertmaster.agents.event_reader import EventReader
from concertmaster.agents.json_events import count_in, object_in, session_in, text_in
from concertmaster.agents.protocol import (
    FINAL_TEXT_LIMIT,
    Agent,
    AgentActivity,
    AgentReport,
    AgentRequest,
    OutputReader,
    activity,
)
from concertmaster.agents.providers import describe_status
from concertmaster.model import Usage

_LOGIN_NEEDED = -32000  # the code of the protocol for it
_STOPS = {
    "max_tokens": "it met its limit of output tokens",
    "max_turn_requests": "it met its limit of turns",
    "refusal": "it refused to go on",
    "cancelled": "it was cancelled",
}


@dataclass(frozen=True, slots=True)
class Acp(Agent):
    """An agent of the Agent Client Protocol; `command` starts it.

    `known` is the agent of ours whose program it is, None if it is of no agent that we know.
    """

    command: tuple[str, ...]
    model: str = ""
    known: Agent | None = None

    @property
    def environment(self) -> frozenset[str]:
        return self.known.environment if self.known else frozenset()

    def argv(self, request: AgentRequest) -> tuple[str, ...]:
        return (
            *(sys.executable, "-I", "-S", acp_bridge.__file__),
            *(("--reads-only",) if request.reads_only else ()),
            *((f"--model={self.model}",) if self.model else ()),
            *((f"--session={request.session}",) if request.session else ()),
            *("--", *self.command),
        )

    def reader(self, request: AgentRequest) -> OutputReader:
        return AcpReader(session=request.session, model=self.model)

    def variables(self, request: AgentRequest) -> Mapping[str, str]:
        """Return those of the known agent, which may hold a reader to reading."""
        return self.known.variables(request) if self.known else {}

    def tells_cost(self) -> bool:
        return False


class AcpReader(EventReader):
    """Reads the messages of the agent; `session` is the one to load, "" = a new one."""

    def __init__(self, *, session: str = "", model: str = "") -> None:
        super().__init__(model=model)
        self._wanted = session
        self._can_load = False
        self._cannot_load = False  # it can load sessions, but not this one
        self._text = ""  # since the last use of a tool
        self._has_worked = False

    def take(self, event: dict[str, Any]) -> AgentActivity | None:
        if "method" not in event:
            self._hear_answer(event)
        elif event["method"] == "session/update":
            return self._hear_update(object_in(object_in(event, "params"), "update"))
        elif event["method"] == "session/request_permission":
            return _describe_call(object_in(object_in(event, "params"), "toolCall"))
        return None

    def finish(self, *, exit_ok: bool, exit_text: str) -> AgentReport:
        report = super().finish(exit_ok=exit_ok, exit_text=exit_text)
        return replace(report, session_missing=self._cannot_load)

    def _hear_answer(self, event: dict[str, Any]) -> None:
        number, result = event.get("id"), object_in(event, "result")
        if "error" in event:
            self._hear_error(number, object_in(event, "error"))
        elif number == acp_bridge.INITIALIZE:
            self._begin(result)
        elif number == acp_bridge.SESSION:
            self._open(result)
        elif number in (acp_bridge.MODEL, acp_bridge.MODE):
            self._forget_words()
        elif number == acp_bridge.PROMPT:
            self._end(result)

    def _hear_error(self, number: object, error: dict[str, Any]) -> None:
        if number == acp_bridge.MODE:  # permission is refused all the same
            return
        self._cannot_load = number == acp_bridge.SESSION and self._loads
        self.error = _describe_error(error)

    @property
    def _loads(self) -> bool:
        return self._can_load and bool(self._wanted)

    def _begin(self, result: dict[str, Any]) -> None:
        self._can_load = object_in(result, "agentCapabilities").get("loadSession") is True
        version = result.get("protocolVersion")
        if version != acp_bridge.VERSION:
            self.error = f"it speaks version {version} of the protocol, not {acp_bridge.VERSION}"

    def _open(self, result: dict[str, Any]) -> None:
        self._forget_words()
        session = self._wanted if self._loads else session_in(result, "sessionId")
        self.session = session if self._can_load else ""
        if not session:
            self.error = "it opened no session"
        elif self.model and self.model not in acp_bridge.offers(result, "model")[1]:
            self.error = f"the model {self.model} does not exist for this agent"

    def _forget_words(self) -> None:
        """Forget what came before the prompt: the earlier turns, which loading repeats."""
        self._text, self._has_worked = "", False
        self.say("")

    def _hear_update(self, update: dict[str, Any]) -> AgentActivity | None:
        match update.get("sessionUpdate"):
            case "agent_message_chunk":
                words = text_in(object_in(update, "content"), "text")
                self._text = (self._text + words)[-FINAL_TEXT_LIMIT:]
                self._has_worked = self._has_worked or bool(words)
                self.say(self._text)
            case "tool_call" | "tool_call_update":
                self._text, self._has_worked = "", True
                return _describe_call(update)
            case _:
                pass
        return None

    def _end(self, result: dict[str, Any]) -> None:
        stop = text_in(result, "stopReason")
        self.has_ended = stop == "end_turn"
        self.error = _STOPS.get(stop, "")
        if self.has_ended and not self._has_worked:
            self.error = "it ended its turn without a word"
        told = object_in(result, "usage")
        quota = object_in(object_in(object_in(result, "_meta"), "quota"), "token_count")
        self.usage = Usage(
            input_tokens=count_in(told, "inputTokens", "cachedReadTokens", "cachedWriteTokens")
            + count_in(quota, "input_tokens"),
            output_tokens=count_in(told, "outputTokens", "thoughtTokens")
            + count_in(quota, "output_tokens"),
        )


def _describe_call(call: dict[str, Any]) -> AgentActivity | None:
    """Return what the tool does, None where an update does not say it."""
    title = text_in(call, "title")
    return activity(text_in(call, "kind"), title) if title else None


def _describe_error(error: dict[str, Any]) -> str:
    """Return the error as `error_patterns` knows it; its code may be the status of an answer."""
    code, data = error.get("code"), error.get("data")
    more = text_in(data, "details") or text_in(data, "message") if isinstance(data, dict) else ""
    words = ": ".join(filter(None, (text_in(error, "message"), more))) or "it told of an error"
    if code == _LOGIN_NEEDED:
        return f"not logged in: {words}"
    is_status = isinstance(code, int) and 500 <= code < 600
    return f"{code}: {words}" if is_status else words + describe_status(code)
