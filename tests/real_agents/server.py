"""Serves a scripted model on loopback, by the API that an agent program speaks.

An API reads requests and writes replies and faults in its own words; the rest is the same for all.
"""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol, Self

from tests.real_agents.model import Action, Conversation, Model

MEETING_SECONDS = 120  # far longer than two agents need to start


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer; `is_cut` ends it in the middle of its stream."""

    status: int = 200
    kind: str = "application/json"
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    is_cut: bool = False


def json_answer(value: Any, *, status: int = 200, **headers: str) -> Answer:
    """Return the value as an answer; `_` in the names of headers stands for `-`."""
    named = {name.replace("_", "-"): words for name, words in headers.items()}
    return Answer(status=status, body=json.dumps(value).encode(), headers=named)


def stream_answer(body: bytes, *, is_cut: bool = False) -> Answer:
    return Answer(kind="text/event-stream", body=body, is_cut=is_cut)


class Api(Protocol):
    """The way in which one API puts the same things."""

    def read(self, path: str, body: dict[str, Any]) -> Conversation | None:
        """Return the conversation in a request, None if it is no turn of the model."""

    def reply(self, path: str, body: dict[str, Any], given: Conversation, action: Action) -> Answer:
        """Return the model's action as an answer."""

    def fault(self, path: str, body: dict[str, Any], kind: str, until: float) -> Answer:
        """Return the fault as an answer; `until` is when a limit ends, in epoch seconds."""

    def other(self, path: str) -> Answer:
        """Return the answer to a request that is no turn of the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong: limit, overload, bad_key, no_model, cut or drop.

    It ends after `times` turns, and `seconds` after the first one; None is never.
    """

    kind: str
    times: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A turn of the model, as the endpoint saw it."""

    phase: str
    prompt: str
    body: dict[str, Any]
    history: str = ""
    fault: str = ""


class Endpoint:
    """The server; use it as a context manager.

    The first turns of `meeting` tasks are answered when all of them have come.
    """

    def __init__(self, api: Api, fault: Fault | None = None, *, meeting: int = 1) -> None:
        self.turns: list[Turn] = []
        self.met: set[str] = set()  # the prompts that came while the others did
        self._came: set[str] = set()
        self._meeting = threading.Barrier(meeting)
        self._api, self._fault, self._model = api, fault, Model()
        self._lock, self._faults, self._began = threading.Lock(), 0, 0.0
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, path: str, body: dict[str, Any]) -> Answer | None:
        """Return the answer to a request; None closes the connection without one."""
        given = self._api.read(path, body)
        if given is None:
            return self._api.other(path)
        kind = self._take_fault()
        with self._lock:
            told = {"phase": given.phase, "prompt": given.prompt, "history": given.history}
            self.turns.append(Turn(**told, body=body, fault=kind))
        if given.phase == "research":
            self._meet(given.prompt)
        if kind == "drop":
            return None
        if kind:
            assert self._fault
            until = self._began + (self._fault.seconds or 3600)
            return self._api.fault(path, body, kind, until)
        return self._api.reply(path, body, given, self._model.decide(given))

    def _meet(self, prompt: str) -> None:
        with self._lock:
            is_known = prompt in self._came
            self._came.add(prompt)
        if not is_known:
            with suppress(threading.BrokenBarrierError):
                self._meeting.wait(MEETING_SECONDS)
                self.met.add(prompt)

    def _take_fault(self) -> str:
        fault = self._fault
        if fault is None:
            return ""
        with self._lock:
            self._began = self._began or time.time()
            is_over = fault.seconds is not None and time.time() > self._began + fault.seconds
            if is_over or (fault.times is not None and self._faults >= fault.times):
                return ""
            self._faults += 1
        return fault.kind


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, *_: object) -> None:
        """Ignore the broken connections of agents that were ended."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        """Log nothing; tests read `Endpoint.turns`."""

    def do_HEAD(self) -> None:
        self._send(Answer())

    def do_GET(self) -> None:
        self._send(self.server.endpoint.answer(self.path, {}))

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            raw = gzip.decompress(raw)
        try:
            body = json.loads(raw or b"{}")
        except ValueError:
            body = {}
        self._send(self.server.endpoint.answer(self.path, body if isinstance(body, dict) else {}))

    def _send(self, answer: Answer | None) -> None:
        if answer is None:
            self._cut()
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        for name, words in answer.headers.items():
            self.send_header(name, words)
        if answer.is_cut:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(answer.body), answer.body))
            self.wfile.flush()
            self._cut()
            return
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)
