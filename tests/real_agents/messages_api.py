"""The Anthropic Messages API, which claude speaks."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import count
from typing import Any

from tests.real_agents.model import Action, Conversation, Run, Say, Write, phase_of
from tests.real_agents.server import Answer, json_answer, stream_answer

_numbers = count(1)
USAGE = {
    "input_tokens": 100,
    "cache_creation_input_tokens": 50,
    "cache_read_input_tokens": 1000,
    "output_tokens": 10,
}
_LIMIT = "This request would exceed your account's rate limit. Please try again later."


class MessagesApi:
    """Reads and writes `/v1/messages`."""

    def read(self, path: str, body: dict[str, Any]) -> Conversation | None:
        tools = _tools(body)
        if not path.partition("?")[0].endswith("/v1/messages") or not tools:
            return None
        items = body.get("messages", [])
        at = max((n for n, item in enumerate(items) if _is_prompt(item)), default=0)
        return Conversation(
            prompt=_text(items[at]["content"]),
            turn=sum(_uses_tool(item) for item in items[at:]),
            history="\n".join(_text(item["content"]) for item in items[:at] if _is_prompt(item)),
        )

    def reply(self, path: str, body: dict[str, Any], given: Conversation, action: Action) -> Answer:
        block = _block(action, body)
        is_tool = block["type"] == "tool_use"
        message = {
            "id": f"msg_{next(_numbers):06}",
            "type": "message",
            "role": "assistant",
            "model": body.get("model", ""),
            "content": [block],
            "stop_reason": "tool_use" if is_tool else "end_turn",
            "stop_sequence": None,
            "usage": USAGE,
        }
        if not body.get("stream"):
            return json_answer(message)
        start = {**message, "content": [], "stop_reason": None}
        delta: dict[str, Any] = (
            {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
            if is_tool
            else {"type": "text_delta", "text": block["text"]}
        )
        end = {"stop_reason": message["stop_reason"], "stop_sequence": None}
        empty = {**block, "input": {}} if is_tool else {**block, "text": ""}
        return stream_answer(
            _event("message_start", message=start)
            + _event("content_block_start", index=0, content_block=empty)
            + _event("content_block_delta", index=0, delta=delta)
            + _event("content_block_stop", index=0)
            + _event("message_delta", delta=end, usage={"output_tokens": 10})
            + _event("message_stop")
        )

    def fault(self, path: str, body: dict[str, Any], kind: str, until: float) -> Answer:
        match kind:
            case "limit":
                return _error(429, "rate_limit_error", _LIMIT, **_limit_headers(until))
            case "overload":
                return _error(529, "overloaded_error", "Overloaded")
            case "bad_key":
                return _error(401, "authentication_error", "invalid x-api-key")
            case "no_model":
                return _error(404, "not_found_error", f"model: {body.get('model')}")
            case _:
                start: dict[str, Any] = {
                    "id": "msg_x",
                    "type": "message",
                    "role": "assistant",
                    "content": [],
                }
                start |= {"model": body.get("model"), "stop_reason": None, "usage": USAGE}
                block = {"type": "text", "text": ""}
                events = _event("message_start", message=start)
                events += _event("content_block_start", index=0, content_block=block)
                return stream_answer(events, is_cut=True)

    def other(self, path: str) -> Answer:
        if path.partition("?")[0].endswith("/count_tokens"):
            return json_answer({"input_tokens": 100})
        if path.partition("?")[0].endswith("/v1/messages"):  # such as for a title
            title = Conversation(prompt="", turn=0)
            return self.reply(path, {"stream": True}, title, Say("A title"))
        return _error(404, "not_found_error", "nothing here")


def _limit_headers(until: float) -> dict[str, str]:
    prefix, at = "anthropic_ratelimit_unified", str(int(until))
    return {
        "x_should_retry": "false",
        f"{prefix}_status": "rejected",
        f"{prefix}_reset": at,
        f"{prefix}_representative_claim": "five_hour",
        f"{prefix}_5h_status": "rejected",
        f"{prefix}_5h_reset": at,
        f"{prefix}_5h_utilization": "1.0",
        f"{prefix}_overage_status": "rejected",
    }


def _error(status: int, kind: str, message: str, **headers: str) -> Answer:
    error = {"type": "error", "error": {"type": kind, "message": message}}
    return json_answer(error, status=status, **headers)


def _event(kind: str, **data: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode()


def _block(action: Action, body: dict[str, Any]) -> dict[str, Any]:
    match action:
        case Say(text, value):
            if value is None or "StructuredOutput" not in _tools(body):
                return {"type": "text", "text": text}
            if _has_answered(body.get("messages", [])[-2:]):
                return {"type": "text", "text": "Done."}
            return _use("StructuredOutput", value)
        case Write(path, content):
            return _use("Write", {"file_path": path, "content": content})
        case Run(command) if "Bash" in _tools(body):
            return _use("Bash", {"command": command, "description": "look"})
        case Run():
            return _use("Glob", {"pattern": "*"})


def _use(name: str, given: dict[str, Any]) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"toolu_{next(_numbers):06}", "name": name, "input": given}


def _has_answered(items: Iterable[dict[str, Any]]) -> bool:
    return any(
        block.get("type") == "tool_use" and block.get("name") == "StructuredOutput"
        for item in items
        for block in _blocks(item["content"])
    )


def _tools(body: dict[str, Any]) -> list[str]:
    return [tool.get("name", "") for tool in body.get("tools") or []]


def _blocks(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content or []


def _text(content: Any) -> str:
    texts = [block.get("text", "") for block in _blocks(content) if block.get("type") == "text"]
    return "\n".join(text for text in texts if not text.startswith("<system-reminder>"))


def _is_prompt(item: dict[str, Any]) -> bool:
    return item["role"] == "user" and bool(phase_of(_text(item["content"])))


def _uses_tool(item: dict[str, Any]) -> bool:
    is_used = any(block.get("type") == "tool_use" for block in _blocks(item["content"]))
    return item["role"] == "assistant" and is_used
