"""The Gemini API, which gemini speaks."""

from __future__ import annotations

import json
import time
from itertools import count
from typing import Any

from tests.real_agents.model import Action, Conversation, Run, Say, Write, phase_of
from tests.real_agents.server import Answer, json_answer, stream_answer

_numbers = count(1)
USAGE = {
    "promptTokenCount": 1000,
    "candidatesTokenCount": 30,
    "thoughtsTokenCount": 20,
    "totalTokenCount": 1050,
    "cachedContentTokenCount": 400,
}
_QUOTA = "You exceeded your current quota, please check your plan and billing details."
_METRIC = "generativelanguage.googleapis.com/generate_content_free_tier_requests"


class GeminiApi:
    """Reads and writes `models/NAME:streamGenerateContent`."""

    def read(self, path: str, body: dict[str, Any]) -> Conversation | None:
        items = body.get("contents", [])
        if _method(path) != "streamGenerateContent" or not items or not _tools(body):
            return None
        at = max((n for n, item in enumerate(items) if _is_prompt(item)), default=0)
        return Conversation(
            prompt=_text(items[at]),
            turn=sum(_uses_tool(item) for item in items[at:]),
            history="\n".join(_text(item) for item in items[:at] if _is_prompt(item)),
        )

    def reply(self, path: str, body: dict[str, Any], given: Conversation, action: Action) -> Answer:
        answer = {
            "candidates": [_candidate(_part(action, _tools(body)), finishReason="STOP")],
            "usageMetadata": USAGE,
            "modelVersion": _model(path),
            "responseId": f"r{next(_numbers)}",
        }
        return _stream(answer) if "stream" in _method(path) else json_answer(answer)

    def fault(self, path: str, body: dict[str, Any], kind: str, until: float) -> Answer:
        match kind:
            case "limit":
                return _error(429, "RESOURCE_EXHAUSTED", _QUOTA, *_used_up(path, until))
            case "overload":
                words = "The model is overloaded. Please try again later."
                return _error(503, "UNAVAILABLE", words)
            case "bad_key":
                words = "API key not valid. Please pass a valid API key."
                info = {"reason": "API_KEY_INVALID", "domain": "googleapis.com"}
                info["@type"] = "type.googleapis.com/google.rpc.ErrorInfo"
                return _error(400, "INVALID_ARGUMENT", words, info)
            case "no_model":
                words = f"models/{_model(path)} is not found for API version v1beta"
                return _error(404, "NOT_FOUND", words)
            case _:
                return _stream({"candidates": [_candidate({"text": "I will"})]}, is_cut=True)

    def other(self, path: str) -> Answer:
        if _method(path) == "countTokens":
            return json_answer({"totalTokens": 1000})
        if "enerateContent" in path:  # such as for a title
            return self.reply(path, {}, Conversation(prompt="", turn=0), Say("{}"))
        return _error(404, "NOT_FOUND", "nothing here")


def _used_up(path: str, until: float) -> tuple[dict[str, Any], ...]:
    """Return the details of a quota of requests a day that is used up."""
    kinds = "type.googleapis.com/google.rpc"
    violation = {
        "quotaMetric": _METRIC,
        "quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier",
        "quotaDimensions": {"location": "global", "model": _model(path)},
        "quotaValue": "250",
    }
    seconds = max(1, int(until - time.time()))
    return (
        {"@type": f"{kinds}.QuotaFailure", "violations": [violation]},
        {"@type": f"{kinds}.RetryInfo", "retryDelay": f"{seconds}s"},
    )


def _error(code: int, status: str, message: str, *details: dict[str, Any]) -> Answer:
    error = {"code": code, "message": message, "status": status, "details": [*details]}
    return json_answer({"error": error}, status=code)


def _stream(answer: dict[str, Any], *, is_cut: bool = False) -> Answer:
    return stream_answer(b"data: " + json.dumps(answer).encode() + b"\r\n\r\n", is_cut=is_cut)


def _candidate(part: dict[str, Any], **more: str) -> dict[str, Any]:
    return {"content": {"role": "model", "parts": [part]}, "index": 0, **more}


def _part(action: Action, tools: list[Any]) -> dict[str, Any]:
    match action:
        case Say(text):
            return {"text": text}
        case Write(path, content):
            given = {"file_path": path, "content": content}
            return {"functionCall": {"name": "write_file", "args": given}}
        case Run(command) if any(tool["name"] == "run_shell_command" for tool in tools):
            return {"functionCall": {"name": "run_shell_command", "args": {"command": command}}}
        case Run():
            return {"functionCall": {"name": "list_directory", "args": {"dir_path": "."}}}


def _method(path: str) -> str:
    return path.partition("?")[0].rpartition(":")[2]


def _model(path: str) -> str:
    return path.partition("?")[0].rpartition("/")[2].partition(":")[0]


def _tools(body: dict[str, Any]) -> list[Any]:
    return [one for tool in body.get("tools", []) for one in tool.get("functionDeclarations", [])]


def _text(item: dict[str, Any]) -> str:
    return "\n".join(part["text"] for part in item.get("parts", []) if "text" in part)


def _is_prompt(item: dict[str, Any]) -> bool:
    return item.get("role") == "user" and bool(phase_of(_text(item)))


def _uses_tool(item: dict[str, Any]) -> bool:
    return item.get("role") == "model" and any("functionCall" in part for part in item["parts"])
