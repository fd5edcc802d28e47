"""The OpenAI Chat Completions API, which aider, opencode, copilot and pi speak.

Aider offers no tools: it reads edits from the text.
"""

from __future__ import annotations

import json
import shlex
import time
from itertools import count
from typing import Any

from tests.real_agents.model import Action, Conversation, Run, Say, Write, phase_of
from tests.real_agents.server import Answer, json_answer, stream_answer

_numbers = count(1)
USAGE = {
    "prompt_tokens": 1000,
    "completion_tokens": 50,
    "total_tokens": 1050,
    "prompt_tokens_details": {"cached_tokens": 400},
}
_RATE = "Rate limit reached for requests per min. Please try again in {}s."
_OVERLOAD = "The server is currently overloaded with other requests. Sorry about that!"
_SHELLS = ("bash", "shell", "run_shell_command")
# The tools that write a file, with the names of their arguments.
_WRITERS = {"create": ("path", "file_text"), "write": ("filePath", "content")}


class ChatApi:
    """Reads and writes `/chat/completions`.

    `path_key` is the argument of the tool `write`. The end of a limit also stands in a header if
    `tells_pause`; the library of OpenAI waits for it, for at most a minute.
    """

    def __init__(
        self, *, has_tools: bool = True, path_key: str = "filePath", tells_pause: bool = True
    ) -> None:
        self._has_tools = has_tools
        self._tells_pause = tells_pause
        self._writers = {**_WRITERS, "write": (path_key, "content")}

    def read(self, path: str, body: dict[str, Any]) -> Conversation | None:
        items = body.get("messages", [])
        if "chat/completions" not in path or not any(_is_prompt(item) for item in items):
            return None
        if self._has_tools and not _tools(body):  # such as for a title
            return None
        at = max(n for n, item in enumerate(items) if _is_prompt(item))
        turn = sum(bool(item.get("tool_calls")) for item in items[at:])
        return Conversation(
            prompt=_text(items[at].get("content")),
            turn=turn if _tools(body) else max(turn, 1),
            history="\n".join(_text(item.get("content")) for item in items[:at]),
        )

    def reply(self, path: str, body: dict[str, Any], given: Conversation, action: Action) -> Answer:
        if _tools(body) and not isinstance(action, Say):
            call = {"index": 0, "id": f"call_{next(_numbers)}", "type": "function"}
            call["function"] = self._call(action, _tools(body), is_new=given.phase != "mend")
            return _message({"role": "assistant", "content": None, "tool_calls": [call]}, body)
        text = action.text if isinstance(action, Say) else ""
        if not _tools(body) and given.phase in ("implement", "mend") and given.writes:
            text = _edits(given) if "NO_CHANGE" not in given.prompt else text
        return _message({"role": "assistant", "content": text}, body)

    def _call(self, action: Action, tools: dict[str, str], *, is_new: bool) -> dict[str, str]:
        """Return a call; the tool `create` refuses a file that is there."""
        writers = (name for name in self._writers if name in tools)
        writer = next((name for name in writers if is_new or name != "create"), "")
        if isinstance(action, Write) and writer:
            path_key, text_key = self._writers[writer]
            given = {path_key: action.path, text_key: action.content}
            return {"name": tools[writer], "arguments": json.dumps(given)}
        shell = next((name for name in _SHELLS if name in tools), "")
        if shell:
            given = {"command": _command(action), "description": "look"}
            return {"name": tools[shell], "arguments": json.dumps(given)}
        reader = next(name for name in ("glob", "view", "read", "ls", "list") if name in tools)
        given = {"pattern": "*", "path": "README.md", "filePath": "README.md"}
        return {"name": tools[reader], "arguments": json.dumps(given)}

    def fault(self, path: str, body: dict[str, Any], kind: str, until: float) -> Answer:
        model = body.get("model")
        match kind:
            case "limit":
                seconds = max(1, int(until - time.time()))
                more = {"type": "requests", "code": "rate_limit_exceeded"}
                header = str(seconds) if self._tells_pause else ""
                return _error(429, _RATE.format(seconds), retry_after=header, **more)
            case "overload":
                return _error(503, _OVERLOAD, type="server_error")
            case "bad_key":
                return _error(401, "Incorrect API key provided: dummy.", code="invalid_api_key")
            case "no_model":
                words = f"The model `{model}` does not exist or you do not have access to it."
                return _error(404, words, code="model_not_found")
            case _ if body.get("stream"):
                delta = {"role": "assistant", "content": "I will"}
                return stream_answer(_chunk(body, delta), is_cut=True)
            case _:
                return Answer(body=b'{"id": "x", "choices": [', is_cut=True)

    def other(self, path: str) -> Answer:
        if "chat/completions" in path:
            return _message({"role": "assistant", "content": "A title"}, {"stream": True})
        if "models" in path:
            model = {"id": "scripted", "object": "model", "created": 1, "owned_by": "x"}
            return json_answer({"object": "list", "data": [model]})
        return _error(404, "nothing here")


def _error(status: int, message: str, *, retry_after: str = "", **more: Any) -> Answer:
    given = {"type": "invalid_request_error", "param": None, "code": None, **more}
    headers = {"retry_after": retry_after} if retry_after else {}
    return json_answer({"error": {"message": message, **given}}, status=status, **headers)


def _message(message: dict[str, Any], body: dict[str, Any]) -> Answer:
    why = "tool_calls" if message.get("tool_calls") else "stop"
    if body.get("stream"):
        ends = _chunk(body, {}, why) + _chunk(body, None)
        return stream_answer(_chunk(body, message) + ends + b"data: [DONE]\n\n")
    choice = {"index": 0, "message": message, "finish_reason": why}
    return json_answer({**_head(body), "choices": [choice], "usage": USAGE})


def _head(body: dict[str, Any]) -> dict[str, Any]:
    kind = "chat.completion.chunk" if body.get("stream") else "chat.completion"
    ident = {"id": f"chatcmpl-{next(_numbers)}", "object": kind, "created": int(time.time())}
    return {**ident, "model": body.get("model")}


def _chunk(body: dict[str, Any], delta: dict[str, Any] | None, why: str | None = None) -> bytes:
    """Return one event of a stream; without a delta it is the last one, with the usage."""
    choice = {"index": 0, "delta": delta, "finish_reason": why}
    given = {"choices": []} if delta is None else {"choices": [choice]}
    usage = {"usage": USAGE} if delta is None else {}
    return b"data: " + json.dumps({**_head(body), **given, **usage}).encode() + b"\n\n"


def _edits(given: Conversation) -> str:
    """Return the files as aider's models write them."""
    mended = " (mended)" * (given.phase == "mend")
    files = [
        f"{path}\n```\n<<<<<<< SEARCH\n=======\n{words}{mended}\n>>>>>>> REPLACE\n```\n"
        for path, words in given.writes
    ]
    return "I make these changes.\n\n" + "\n".join(files)


def _command(action: Action) -> str:
    if isinstance(action, Write):
        return f"printf %s {shlex.quote(action.content)} > {shlex.quote(action.path)}"
    return action.command if isinstance(action, Run) else "ls"


def _tools(body: dict[str, Any]) -> dict[str, str]:
    """Return the names of the tools by their names in lower case."""
    named = (tool["function"]["name"] for tool in body.get("tools") or [] if "function" in tool)
    return {name.lower(): name for name in named}


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content or [] if isinstance(part, dict))


def _is_prompt(item: dict[str, Any]) -> bool:
    return item.get("role") == "user" and bool(phase_of(_text(item.get("content"))))
