"""What agent programs printed, by agent and version; all readers are tested over this table.

The streams were recorded against scripted endpoints and are cut to the events that are read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from concertmaster.agents.codex import CodexReader
from concertmaster.agents.copilot import CopilotReader
from concertmaster.agents.gemini import GeminiReader
from concertmaster.agents.opencode import OpencodeReader
from concertmaster.agents.pi import PiReader
from concertmaster.agents.protocol import OutputReader

OPENCODE, COPILOT, PI = "opencode 1.18.33", "copilot 1.0.102", "pi 1.6.0"
CODEX, GEMINI = "codex 0.171.0", "gemini 0.61.0"
READERS: dict[str, Callable[[], OutputReader]] = {
    OPENCODE: OpencodeReader,
    COPILOT: CopilotReader,
    PI: PiReader,
    CODEX: CodexReader,
    GEMINI: GeminiReader,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """The events of one process, how it ended, and what they mean.

    `kind` is ok, limited, no_access, transient, session_missing or failed; `words` stand in the
    reason, or in the final text of a stream that is ok.
    """

    program: str
    name: str
    events: tuple[dict[str, Any], ...]
    kind: str
    words: str
    exit_code: int = 0
    stderr: str = ""
    session: str = ""
    tokens: tuple[int, int] = (0, 0)  # input, output


SES = "ses_ddc3a43e4ffeaU3ywDac5u8ga2"
COPILOT_SESSION = "b31065c5-fe1b-4f55-ac78-e14b3c4dcb54"
PI_SESSION = "01a223c5-f185-73bf-aa3e-bba8a5cbc77d"
RATE = "Rate limit reached for requests per min. Please try again in 19s."
NO_MODEL = "The model `m` does not exist or you do not have access to it."
BAD_KEY = "Incorrect API key provided: dummy."
OVERLOAD = "The server is currently overloaded with other requests. Sorry about that!"


def opencode(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "timestamp": 1795896500714, "sessionID": SES, **more}


def opencode_step(reason: str) -> dict[str, Any]:
    cache = {"write": 0, "read": 400}
    tokens = {"total": 1050, "input": 600, "output": 50, "reasoning": 0, "cache": cache}
    return opencode("step_finish", part={"reason": reason, "tokens": tokens, "cost": 0})


def opencode_error(status: int, message: str) -> dict[str, Any]:
    data = {"message": message, "statusCode": status, "isRetryable": False}
    return opencode("error", error={"name": "APIError", "data": data})


OPENCODE_WRITES = opencode(
    "tool_use",
    part={"tool": "write", "state": {"status": "completed", "input": {"filePath": "t0.txt"}}},
)
OPENCODE_DONE = opencode("text", part={"type": "text", "text": "Done."})


def copilot(kind: str, **data: Any) -> dict[str, Any]:
    return {"type": kind, "data": data, "id": "881d1955", "ephemeral": True}


def copilot_result(code: int) -> dict[str, Any]:
    usage = {"premiumRequests": 0, "totalApiDurationMs": 75}
    return {"type": "result", "sessionId": COPILOT_SESSION, "exitCode": code, "usage": usage}


COPILOT_WRITES = (
    copilot("assistant.message", content="", toolRequests=[{"name": "create"}]),
    copilot("tool.execution_start", toolName="create", arguments={"path": "t0.txt"}),
)
COPILOT_DONE = copilot("assistant.message", content="Done.", toolRequests=[])
COPILOT_DROPPED = (
    "Failed to get response from the AI model; retried 5 times Last error: Failed native model"
    " HTTP request: error sending request for url (******/chat/completions)"
)


def pi_message(reason: str, *parts: dict[str, Any], error: str = "") -> dict[str, Any]:
    used = (0, 0, 0) if error else (600, 50, 400)
    usage = {**dict(zip(("input", "output", "cacheRead"), used, strict=True)), "cost": {"total": 0}}
    message = {"role": "assistant", "content": [*parts], "usage": usage, "stopReason": reason}
    return {"type": "message_end", "message": message | ({"errorMessage": error} if error else {})}


PI_BEGIN = {"type": "session", "version": 3, "id": PI_SESSION, "cwd": "/tree"}
PI_END = {"type": "agent_settled", "aborted": False}
PI_WRITES = (
    pi_message("toolUse", {"type": "toolCall", "name": "write"}),
    {"type": "tool_execution_start", "toolName": "write", "args": {"path": "t0.txt"}},
)
PI_DONE = pi_message("stop", {"type": "text", "text": "Done."})


def pi_failed(words: str) -> tuple[dict[str, Any], ...]:
    retry = {"type": "auto_retry_end", "success": False, "attempt": 3, "finalError": words}
    return (PI_BEGIN, pi_message("error", error=words), retry, PI_END)


STREAMS = (
    Stream(
        program=OPENCODE,
        name="work",
        events=(
            *(OPENCODE_WRITES, opencode_step("tool-calls")),
            *(OPENCODE_DONE, opencode_step("stop")),
        ),
        kind="ok",
        words="Done.",
        session=SES,
        tokens=(2000, 100),
    ),
    Stream(
        program=OPENCODE,
        name="bad key",
        events=(opencode_error(401, BAD_KEY),),
        kind="no_access",
        words=BAD_KEY,
        exit_code=1,
        session=SES,
    ),
    Stream(
        program=OPENCODE,
        name="unknown model",
        events=(opencode_error(404, NO_MODEL),),
        kind="no_access",
        words=NO_MODEL,
        exit_code=1,
        session=SES,
    ),
    Stream(
        program=OPENCODE,
        name="overload",
        events=(opencode_error(503, "no words"),),
        kind="transient",
        words="no words (status 503)",
        exit_code=1,
        session=SES,
    ),
    Stream(
        program=OPENCODE,
        name="limit",
        events=(opencode_error(429, "slow down"),),
        kind="limited",
        words="slow down (429 Too Many Requests)",
        exit_code=1,
        session=SES,
    ),
    Stream(
        program=OPENCODE,
        name="output limit",
        events=(OPENCODE_DONE, opencode_step("length")),
        kind="failed",
        words="limit of output tokens",
        session=SES,
        tokens=(1000, 50),
    ),
    Stream(
        program=OPENCODE,
        name="session gone",
        events=(),
        kind="session_missing",
        words="Session not found",
        exit_code=1,
        stderr="Error: Session not found",
    ),
    Stream(
        program=OPENCODE,
        name="first start at the same time as another",
        events=(),
        kind="transient",
        words="ended without its final event",
        exit_code=1,
        stderr="params:",
    ),
    Stream(
        program=COPILOT,
        name="work",
        events=(*COPILOT_WRITES, COPILOT_DONE, copilot_result(0)),
        kind="ok",
        words="Done.",
        session=COPILOT_SESSION,
    ),
    Stream(
        program=COPILOT,
        name="overload, then work",
        events=(
            copilot("model.call_failure", statusCode=503, errorMessage=OVERLOAD),
            *(*COPILOT_WRITES, COPILOT_DONE, copilot_result(0)),
        ),
        kind="ok",
        words="Done.",
        session=COPILOT_SESSION,
    ),
    Stream(
        program=COPILOT,
        name="bad key",
        events=(
            copilot("model.call_failure", statusCode=401, errorMessage=BAD_KEY),
            copilot("session.error", statusCode=401, message="Authentication failed"),
            copilot_result(1),
        ),
        kind="no_access",
        words="Authentication failed (authentication_error)",
        exit_code=1,
        session=COPILOT_SESSION,
    ),
    Stream(
        program=COPILOT,
        name="unknown model",
        events=(
            copilot("session.error", statusCode=404, message="Model 'gpt-5' not found"),
            copilot_result(1),
        ),
        kind="no_access",
        words="Model 'gpt-5' not found",
        exit_code=1,
        session=COPILOT_SESSION,
    ),
    Stream(
        program=COPILOT,
        name="no network",
        events=(copilot("session.error", message=COPILOT_DROPPED), copilot_result(1)),
        kind="transient",
        words="retried 5 times",
        exit_code=1,
        session=COPILOT_SESSION,
    ),
    Stream(
        program=COPILOT,
        name="session gone",
        events=(),
        kind="session_missing",
        words="ended without its final event",
        exit_code=1,
        stderr="To start a new session with ID:   copilot --session-id=<valid-uuid>",
    ),
    Stream(
        program=PI,
        name="work",
        events=(PI_BEGIN, *PI_WRITES, PI_DONE, PI_END),
        kind="ok",
        words="Done.",
        session=PI_SESSION,
        tokens=(2000, 100),
    ),
    Stream(
        program=PI,
        name="overload, then work",
        events=(PI_BEGIN, pi_message("error", error=f"503: {OVERLOAD}"), PI_DONE, PI_END),
        kind="ok",
        words="Done.",
        session=PI_SESSION,
        tokens=(1000, 50),
    ),
    Stream(
        program=PI,
        name="bad key",
        events=(PI_BEGIN, pi_message("error", error=f"401: {BAD_KEY}"), PI_END),
        kind="no_access",
        words=BAD_KEY,
        session=PI_SESSION,
    ),
    Stream(
        program=PI,
        name="unknown model",
        events=(PI_BEGIN, pi_message("error", error=f"404: {NO_MODEL}"), PI_END),
        kind="no_access",
        words=NO_MODEL,
        session=PI_SESSION,
    ),
    Stream(
        program=PI,
        name="limit",
        events=pi_failed(f"429: {RATE}"),
        kind="limited",
        words="try again in 19s",
        session=PI_SESSION,
    ),
    Stream(
        program=PI,
        name="overload",
        events=pi_failed("503: no words"),
        kind="transient",
        words="503: no words",
        session=PI_SESSION,
    ),
    Stream(
        program=PI,
        name="no network",
        events=pi_failed("Connection error.: other side closed (UND_ERR_SOCKET)"),
        kind="transient",
        words="other side closed",
        session=PI_SESSION,
    ),
    Stream(
        program=PI,
        name="output limit",
        events=(PI_BEGIN, pi_message("length", {"type": "text", "text": "I wi"}), PI_END),
        kind="failed",
        words="it stopped: length",
        session=PI_SESSION,
        tokens=(1000, 50),
    ),
    Stream(
        program=PI,
        name="session gone",
        events=(),
        kind="session_missing",
        words="No session found",
        exit_code=1,
        stderr="No session found matching '01a223c5'",
    ),
    Stream(
        program=CODEX,
        name="work",
        events=(
            {"type": "thread.started", "thread_id": PI_SESSION},
            {"type": "item.completed", "item": {"type": "agent_message", "text": "Done."}},
            {"type": "turn.completed", "usage": {"input_tokens": 2000, "output_tokens": 100}},
        ),
        kind="ok",
        words="Done.",
        session=f"{PI_SESSION}:2000:0:100",
        tokens=(2000, 100),
    ),
    Stream(
        program=GEMINI,
        name="work",
        events=(
            {"type": "init", "session_id": PI_SESSION, "model": "m"},
            {"type": "message", "role": "assistant", "content": "Done.", "delta": True},
            {
                "type": "result",
                "status": "success",
                "stats": {"input_tokens": 2000, "output_tokens": 100, "total_tokens": 2100},
            },
        ),
        kind="ok",
        words="Done.",
        session=PI_SESSION,
        tokens=(2000, 100),
    ),
)
