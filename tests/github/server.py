"""Serves the API, git and the administrative verbs over HTTP on one port of loopback."""

from __future__ import annotations

import select
import socket
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.github.exchange import Request
from tests.github.faults import Effect
from tests.github.gateway import Gateway
from tests.github.hosting import Hosting, Reply

Admin = Callable[[Request], Reply]
ADMIN_PREFIX = "/_double/"
STALL_SECONDS = 0.05


class Server(ThreadingHTTPServer):
    """The HTTP server; `admin` is set if the double runs stand-alone."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, gateway: Gateway, hosting: Hosting, *, port: int = 0, admin: Admin | None = None
    ) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.gateway = gateway
        self.hosting = hosting
        self.admin = admin
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print the traceback, except for callers that closed the connection."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server
    # Head and body are two writes, and Nagle's algorithm would delay the second.
    disable_nagle_algorithm = True

    def answer(self) -> None:
        request = self.read_request()
        if self.server.admin and request.path.startswith(ADMIN_PREFIX):
            self.send(self.server.admin(request))
        elif Hosting.serves(request):
            self.answer_git(request)
        else:
            self.answer_api(request)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

    def answer_git(self, request: Request) -> None:
        reply, lost = self.server.hosting.answer(request)
        if lost:
            self.lose(lost)
        else:
            self.send(reply)

    def lose(self, effect: Effect) -> None:
        """Close the connection without an answer, at once or after the caller's time-out."""
        if effect is Effect.TIMEOUT_AFTER:
            self.stall()
        self.close_connection = True

    def answer_api(self, request: Request) -> None:
        answer = self.server.gateway.answer(request)
        if answer.lost:
            self.lose(answer.lost)
            return
        response = answer.response
        kind = {"Content-Type": "application/json; charset=utf-8"}
        headers = {**kind, **response.headers}
        self.send(Reply(status=response.status, headers=headers, content=response.content()))

    def read_request(self) -> Request:
        address = urlsplit(self.path)
        return Request(
            method=self.command,
            path=address.path,
            query=dict(parse_qsl(address.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            content=self.read_content(),
        )

    def read_content(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return b"".join(self.read_chunks())
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def read_chunks(self) -> list[bytes]:
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return chunks

    def send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.status not in {204, 304}:
            self.send_header("Content-Length", str(len(reply.content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.content)

    def stall(self) -> None:
        """Wait until the caller gives up or the double closes."""
        while not self.server.closing.is_set():
            readable, _, _ = select.select([self.connection], [], [], STALL_SECONDS)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                return

    def log_message(self, *_: Any) -> None:
        """Print nothing; the log of calls says more."""
