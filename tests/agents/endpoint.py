"""Serves a scripted Messages endpoint on loopback, so that tests decide what the model does.

A script is a function from the request's body to a reply. It is called once for each turn of the
agent and may use the prompt (`prompt_of`) and the number of turns so far (`turns_of`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Self

CLAUDE_FOLDER = Path(__file__).parents[2] / ".cache" / "claude" / "node_modules" / ".bin"

INPUT_TOKENS = 100
CACHE_READ_TOKENS = 1000
CACHE_WRITE_TOKENS = 50
OUTPUT_TOKENS = 10


@dataclass(frozen=True, slots=True)
class Say:
    """A text reply, which ends the agent's work."""

    text: str


@dataclass(frozen=True, slots=True)
class Use:
    """A tool call, such as Write or Bash, with its input."""

    tool: str
    input: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """An HTTP error; 429 is a usage limit, 529 is overload."""

    status: int
    message: str = "scripted fault"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drop:
    """A reply that closes the connection without an answer."""


Reply = Say | Use | Fault | Drop
Script = Callable[[dict[str, Any]], Reply]


@dataclass(frozen=True, slots=True)
class Asked:
    """A received request; `body` is {} if it had none."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]


def one_by_one(*replies: Reply) -> Script:
    """Return a script that gives each conversation these replies in order and repeats the last."""
    return lambda body: replies[min(turns_of(body), len(replies) - 1)]


def by_prompt(scripts: Mapping[str, Script]) -> Script:
    """Return a script that delegates to the first key that the latest prompt contains."""

    def choose(body: dict[str, Any]) -> Reply:
        prompt = prompt_of(body)
        for key, script in scripts.items():
            if key in prompt:
                return script(body)
        return Fault(400, f"no script for this prompt: {prompt[:200]}")

    return choose


def prompt_of(body: dict[str, Any]) -> str:
    """Return the latest prompt of the conversation."""
    return _text(body["messages"][_prompt_position(body)]["content"])


def turns_of(body: dict[str, Any]) -> int:
    """Return the number of model turns since the latest prompt."""
    later = body["messages"][_prompt_position(body) :]
    return sum(message["role"] == "assistant" for message in later)


def tool_results_of(body: dict[str, Any]) -> list[str]:
    """Return the tool results since the latest prompt, oldest first."""
    later = body["messages"][_prompt_position(body) :]
    return [
        _text(block.get("content", ""))
        for message in later
        for block in _blocks(message["content"])
        if block["type"] == "tool_result"
    ]


def _prompt_position(body: dict[str, Any]) -> int:
    return max(
        (
            position
            for position, message in enumerate(body["messages"])
            if message["role"] == "user" and _is_prompt(message["content"])
        ),
        default=0,
    )


def _is_prompt(content: Any) -> bool:
    """Return whether the content is a prompt, not a tool result or an empty notification."""
    has_result = any(block["type"] == "tool_result" for block in _blocks(content))
    return not has_result and bool(_text(content))


def _blocks(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _text(content: Any) -> str:
    """Return the text without the reminders that claude adds."""
    texts = [block.get("text", "") for block in _blocks(content)]
    return "\n".join(text for text in texts if not text.startswith("<system-reminder>"))


class Endpoint:
    """The server; use it as a context manager. `script` may be replaced at any time."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.asked: list[Asked] = []
        self._server = _Server(self)
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def environment(self, home: Path) -> dict[str, str]:
        """Return the complete environment of the agent's process; make its home.

        Retries are off, because they wait for minutes.
        """
        home.mkdir(parents=True, exist_ok=True)
        return {
            "PATH": f"{CLAUDE_FOLDER}:{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(home),
            "TMPDIR": str(home),
            "CLAUDE_CODE_TMPDIR": str(home),
            "ANTHROPIC_API_KEY": "no-real-key-for-the-tests",
            "ANTHROPIC_BASE_URL": self.url,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CODE_MAX_RETRIES": "0",
        }

    @property
    def turns(self) -> list[dict[str, Any]]:
        """The bodies of all requests that the script answered, oldest first."""
        return [asked.body for asked in list(self.asked) if _is_turn(asked)]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        return self.script(asked.body) if _is_turn(asked) else Say("A title")


def _is_turn(asked: Asked) -> bool:
    """Return whether the request is a turn, not a side request such as for a title."""
    return asked.path.split("?")[0] == "/v1/messages" and bool(asked.body.get("tools"))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a script may be waiting for its test
    request_queue_size = 128

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, *_: object) -> None:
        """Ignore the broken connections of killed agents."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        """Log nothing; the tests read `Endpoint.asked`."""

    def do_HEAD(self) -> None:
        self.server.endpoint.asked.append(self._asked({}))
        self._send(200, "application/json", b"")

    def do_GET(self) -> None:
        self.server.endpoint.asked.append(self._asked({}))
        self._send_json(404, _error("not_found_error", "nothing here"))

    def do_POST(self) -> None:
        asked = self._asked(self._body())
        reply = self.server.endpoint.answer(asked)
        if asked.path.split("?")[0].endswith("/count_tokens"):
            self._send_json(200, {"input_tokens": INPUT_TOKENS})
        elif isinstance(reply, Drop):
            self.close_connection = True
        elif isinstance(reply, Fault):
            self._send_json(reply.status, _fault_body(reply), reply.headers)
        else:
            self._send_message(reply, asked.body)

    def _asked(self, body: dict[str, Any]) -> Asked:
        return Asked(self.command, self.path, dict(self.headers), body)

    def _body(self) -> dict[str, Any]:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.loads(raw or b"{}")
        return body if isinstance(body, dict) else {}

    def _send_message(self, reply: Say | Use, body: dict[str, Any]) -> None:
        message = _message(reply, body)
        if body.get("stream"):
            self._send(200, "text/event-stream", b"".join(_events(message)))
        else:
            self._send_json(200, message)

    def _send_json(
        self, status: int, answer: Any, headers: Mapping[str, str] | None = None
    ) -> None:
        self._send(status, "application/json", json.dumps(answer).encode(), headers)

    def _send(
        self, status: int, kind: str, raw: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


def _message(reply: Say | Use, body: dict[str, Any]) -> dict[str, Any]:
    number = len(body.get("messages", []))
    block: dict[str, Any] = (
        {"type": "text", "text": reply.text}
        if isinstance(reply, Say)
        else {
            "type": "tool_use",
            "id": f"toolu_{number:04}",
            "name": reply.tool,
            "input": dict(reply.input),
        }
    )
    return {
        "id": f"msg_{number:04}",
        "type": "message",
        "role": "assistant",
        "model": body.get("model", ""),
        "content": [block],
        "stop_reason": "end_turn" if isinstance(reply, Say) else "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": INPUT_TOKENS,
            "cache_creation_input_tokens": CACHE_WRITE_TOKENS,
            "cache_read_input_tokens": CACHE_READ_TOKENS,
            "output_tokens": OUTPUT_TOKENS,
        },
    }


def _events(message: dict[str, Any]) -> Iterator[bytes]:
    """Yield the message as server-sent events of a stream."""
    (block,) = message["content"]
    start = {**message, "content": [], "stop_reason": None}
    yield _event("message_start", message=start)
    yield _event("content_block_start", index=0, content_block=_empty(block))
    yield _event("content_block_delta", index=0, delta=_delta(block))
    yield _event("content_block_stop", index=0)
    delta = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    yield _event("message_delta", delta=delta, usage={"output_tokens": OUTPUT_TOKENS})
    yield _event("message_stop")


def _event(kind: str, **data: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode()


def _empty(block: dict[str, Any]) -> dict[str, Any]:
    return {**block, "input": {}} if block["type"] == "tool_use" else {**block, "text": ""}


def _delta(block: dict[str, Any]) -> dict[str, Any]:
    if block["type"] == "tool_use":
        return {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
    return {"type": "text_delta", "text": block["text"]}


def _fault_body(fault: Fault) -> dict[str, Any]:
    kinds = {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_error"}
    kinds |= {404: "not_found_error", 529: "overloaded_error"}
    return _error(kinds.get(fault.status, "api_error"), fault.message)


def _error(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}
