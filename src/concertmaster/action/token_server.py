"""Hands access tokens to agents on loopback, in the forms that libraries of clouds ask for."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from concertmaster.errors import EnvironmentFault

# An answer gets the query of its request, and raises LookupError for one that it does not serve.
TokenAnswer = Callable[[Mapping[str, list[str]]], dict[str, Any]]

_MOST_CONNECTIONS = 64  # so that an agent cannot use up the files of the job
_MOST_BYTES = 64 * 1024
_TIMEOUT_SECONDS = 10.0


class TokenServer:
    """A server for the programs of this machine; use it as a context manager.

    Its addresses hold a secret, so that only a program that was told one of them gets an answer.
    """

    def __init__(self) -> None:
        self.secret = secrets.token_hex(16)
        self._server = _Server()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), daemon=True)

    def add(self, name: str, answer: TokenAnswer) -> str:
        """Return the address at which requests get the answer."""
        path = f"/{self.secret}/{name}"
        self._server.answers[path] = answer
        return f"http://127.0.0.1:{self._server.server_address[1]}{path}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        self.answers: dict[str, TokenAnswer] = {}
        self._free = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: socket | tuple[bytes, socket], client_address: Any) -> None:
        """Say nothing: an agent may break its connections as often as it likes."""


class _Handler(BaseHTTPRequestHandler):
    timeout = _TIMEOUT_SECONDS
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing: the addresses hold the secret."""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        length = self.headers.get("Content-Length", "")
        self.rfile.read(min(int(length), _MOST_BYTES) if length.isdecimal() else 0)
        address = urlsplit(self.path)
        answer = self.server.answers.get(address.path)
        if answer is None:
            self._send(404, {"error": "not_found"})
            return
        try:
            self._send(200, answer(parse_qs(address.query)))
        except LookupError as error:
            self._send(400, {"error": "invalid_request", "error_description": str(error)})
        except EnvironmentFault as error:
            words = f"{error.what}: {error.why}"
            self._send(401, {"error": "access_denied", "error_description": words})

    def _send(self, status: int, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
