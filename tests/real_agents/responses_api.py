"""The OpenAI Responses API, which codex speaks."""

from __future__ import annotations

import json
import shlex
from itertools import count
from typing import Any

from tests.real_agents.model import Action, Conversation, Run, Say, Write
from tests.real_agents.server import Answer, json_answer, stream_answer

_numbers = count(1)
_CALLS = {"function_call", "custom_tool_call", "local_shell_call"}
USAGE = {
    "input_tokens": 1000,
    "input_tokens_details": {"cached_tokens": 400},
    "output_tokens": 50,
    "output_tokens_details": {"reasoning_tokens": 20},
    "total_tokens": 1050,
}
_OVERLOAD = "The server is currently overloaded with other requests. Sorry about that!"


class ResponsesApi:
    """Reads and writes `/responses`."""

    def read(self, path: str, body: dict[str, Any]) -> Conversation | None:
        items = body.get("input")
        if not path.partition("?")[0].endswith("/responses") or not isinstance(items, list):
            return None
        at = max((n for n, item in enumerate(items) if _is_prompt(item)), default=0)
        return Conversation(
            prompt=_text(items[at].get("content", "")),
            turn=sum(item.get("type") in _CALLS for item in items[at:]),
            history="\n".join(_text(item["content"]) for item in items[:at] if _is_prompt(item)),
        )

    def reply(self, path: str, body: dict[str, Any], given: Conversation, action: Action) -> Answer:
        item = _item(action, body)
        base: dict[str, Any] = {
            "id": f"resp_{next(_numbers)}",
            "object": "response",
            "created_at": 1,
            "model": body.get("model"),
            "status": "in_progress",
            "output": [],
        }
        is_text = item["type"] == "message"
        added = {**item, **({"content": []} if is_text else {})}
        out = _event("response.created", response=base)
        out += _event("response.output_item.added", output_index=0, item=added)
        if is_text:
            delta = item["content"][0]["text"]
            place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
            out += _event("response.output_text.delta", **place, delta=delta)
        out += _event("response.output_item.done", output_index=0, item=item)
        done = {**base, "status": "completed", "output": [item], "usage": USAGE}
        return stream_answer(out + _event("response.completed", response=done))

    def fault(self, path: str, body: dict[str, Any], kind: str, until: float) -> Answer:
        model = body.get("model")
        match kind:
            case "limit":
                words = "The usage limit has been reached"
                more = {"plan_type": "plus", "resets_at": int(until)}
                return _error(429, words, type="usage_limit_reached", **more)
            case "overload":
                return _error(503, _OVERLOAD, type="server_error", code="server_is_overloaded")
            case "bad_key":
                return _error(401, "Incorrect API key provided: dummy.", code="invalid_api_key")
            case "no_model":
                words = f"The model `{model}` does not exist or you do not have access to it."
                return _error(404, words, code="model_not_found")
            case _:
                started = {"type": "message", "role": "assistant", "id": "m", "content": []}
                out = _event("response.created", response={"id": "resp_x"})
                out += _event("response.output_item.added", output_index=0, item=started)
                return stream_answer(out, is_cut=True)

    def other(self, path: str) -> Answer:
        if "models" in path:
            return json_answer({"object": "list", "data": [], "models": []})
        return _error(404, "nothing here")


def _error(status: int, message: str, **more: Any) -> Answer:
    given = {"type": "invalid_request_error", "param": None, "code": None, **more}
    return json_answer({"error": {"message": message, **given}}, status=status)


def _event(kind: str, **data: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode()


def _item(action: Action, body: dict[str, Any]) -> dict[str, Any]:
    number, names = next(_numbers), _tools(body)
    if isinstance(action, Say):
        is_bare = bool((body.get("text") or {}).get("format")) and action.value is not None
        text = json.dumps(action.value) if is_bare else action.text
        content = [{"type": "output_text", "text": text, "annotations": []}]
        return {"type": "message", "role": "assistant", "id": f"msg_{number}", "content": content}
    command = action.command if isinstance(action, Run) else _write(action)
    if "exec" in names:  # newer models get one tool, which takes JavaScript
        used = f"tools.exec_command({json.dumps({'cmd': command})})"
        code = f"const r = await {used}; text(JSON.stringify(r));"
        call: dict[str, Any] = {
            "type": "custom_tool_call",
            "id": f"ctc_{number}",
            "call_id": f"call_{number}",
        }
        return {**call, "name": "exec", "input": code, "status": "completed"}
    name = next(one for one in ("exec_command", "shell_command", "shell") if one in names)
    commands: dict[str, dict[str, Any]] = {
        "exec_command": {"cmd": command},
        "shell_command": {"command": command},
        "shell": {"command": ["sh", "-c", command]},
    }
    given = commands[name]
    call = {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}"}
    return {**call, "name": name, "arguments": json.dumps(given), "status": "completed"}


def _write(action: Write) -> str:
    return f"printf %s {shlex.quote(action.content)} > {shlex.quote(action.path)}"


def _tools(body: dict[str, Any]) -> list[str]:
    """Return the names of the tools, also of those that newer models get in the input."""
    given = [*body.get("tools", [])]
    for item in body.get("input") or []:
        if item.get("type") == "additional_tools":
            given += item.get("tools", [])
    flat = [tool for one in given for tool in (one.get("tools") or [one])]
    return [tool.get("name") or tool.get("type") for tool in flat]


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content if isinstance(part, dict))


def _is_prompt(item: dict[str, Any]) -> bool:
    if item.get("type") != "message" or item.get("role") != "user":
        return False
    text = _text(item["content"])
    return not text.lstrip().startswith("<") and not text.startswith("# AGENTS.md")
