"""What agents of the Agent Client Protocol said to the bridge, cut to what is read."""

from __future__ import annotations

from typing import Any

from concertmaster.agents import acp_bridge
from tests.unit.agents.recorded_streams import BAD_KEY, NO_MODEL, Stream

ACP_GEMINI, ACP_OPENCODE = "acp: gemini 0.61.0", "acp: opencode 1.18.33"
Events = tuple[dict[str, Any], ...]
SESSION = "32f5d453-f991-43b2-9b07-ef582c8ddff9"
NEEDED = "Authentication required"


def answer(number: int, **told: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, **told}


def update(name: str, **more: Any) -> dict[str, Any]:
    told = {"sessionId": SESSION, "update": {"sessionUpdate": name, **more}}
    return {"jsonrpc": "2.0", "method": "session/update", "params": told}


def chunk(words: str) -> dict[str, Any]:
    return update("agent_message_chunk", content={"type": "text", "text": words})


def failed(code: int, message: str, **data: Any) -> tuple[dict[str, Any], ...]:
    error = {"code": code, "message": message, "data": data or None}
    return *OPENING, answer(acp_bridge.PROMPT, error=error)


def ended(reason: str, **more: Any) -> dict[str, Any]:
    return answer(acp_bridge.PROMPT, result={"stopReason": reason, **more})


CAPABILITIES = {"protocolVersion": 1, "agentCapabilities": {"loadSession": True}}
OPENING = (
    answer(acp_bridge.INITIALIZE, result=CAPABILITIES),
    answer(acp_bridge.SESSION, result={"sessionId": SESSION}),
)
CALL = update("tool_call", toolCallId="call_4", title="write", kind="edit", status="pending")
GEMINI_TOKENS = {"quota": {"token_count": {"input_tokens": 2000, "output_tokens": 60}}}
OPENCODE_TOKENS = {"inputTokens": 600, "outputTokens": 50, "cachedReadTokens": 400}


def row(
    name: str, events: tuple[dict[str, Any], ...], kind: str, words: str, **more: Any
) -> Stream:
    known = {"program": ACP_GEMINI, "session": SESSION, "exit_code": 0 if kind == "ok" else 1}
    return Stream(**{**known, **more}, name=name, events=events, kind=kind, words=words)


ACP_STREAMS = (
    row(
        "work",
        (*OPENING, CALL, chunk("Do"), chunk("ne."), ended("end_turn", _meta=GEMINI_TOKENS)),
        "ok",
        "Done.",
        tokens=(2000, 60),
    ),
    row(
        "work",
        (
            *OPENING,
            chunk("I begin."),
            CALL,
            chunk("Done."),
            ended("end_turn", usage=OPENCODE_TOKENS),
        ),
        "ok",
        "Done.",
        program=ACP_OPENCODE,
        tokens=(1000, 50),
    ),
    row(
        "limit",
        failed(429, "You have exhausted your daily quota on this model."),
        "limited",
        "daily quota",
    ),
    row("overload", failed(503, "The model is overloaded."), "transient", "overloaded"),
    row("cut stream", failed(500, "terminated"), "transient", "terminated"),
    row("bad key", failed(400, '{"reason":"API_KEY_INVALID"}'), "no_access", "API_KEY_INVALID"),
    row(
        "unknown model",
        failed(500, "models/gemini-2.5-pro is not found for API version v1beta"),
        "no_access",
        "is not found",
    ),
    row(
        "bad key",
        failed(-32603, f"Internal error: {BAD_KEY}", service="session", errorName="APIError"),
        "no_access",
        BAD_KEY,
        program=ACP_OPENCODE,
    ),
    row(
        "unknown model",
        failed(-32603, f"Internal error: {NO_MODEL}", service="session"),
        "no_access",
        NO_MODEL,
        program=ACP_OPENCODE,
    ),
    row(
        "logged out",
        (OPENING[0], answer(acp_bridge.SESSION, error={"code": -32000, "message": NEEDED})),
        "no_access",
        "not logged in: Authentication required",
        session="",
    ),
    row("output limit", (*OPENING, chunk("I"), ended("max_tokens")), "failed", "output tokens"),
    row("refusal", (*OPENING, chunk("I"), ended("refusal")), "failed", "refused"),
    row("no word", (*OPENING, ended("end_turn")), "failed", "without a word", exit_code=0),
    row(
        "another version",
        (answer(acp_bridge.INITIALIZE, result={"protocolVersion": 2}),),
        "failed",
        "version 2 of the protocol",
        session="",
    ),
)
