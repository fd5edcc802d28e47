"""A double of GitHub's identity service and of the token services of clouds, on loopback."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from concertmaster.action.job import Job
from concertmaster.errors import Error
from concertmaster.settings.action_inputs import ActionSettings
from concertmaster.terminal.console import Console

ASK, IDENTITY = "the-token-to-ask-with", "the.identity.token"


@dataclass
class Cloud:
    """GitHub and the clouds; `answers` are those of the clouds, the last one for ever."""

    url: str
    identity: Any = field(default_factory=lambda: {"value": IDENTITY})
    answers: list[tuple[int, Any]] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, path: str, headers: Any, body: str) -> tuple[int, Any]:
        query = parse_qs(urlsplit(path).query)
        is_json = headers.get("Content-Type") == "application/json"
        form = json.loads(body) if is_json else {k: v[0] for k, v in parse_qs(body).items()}
        key = headers.get("Authorization", "")
        self.asked.append({"path": path, "query": query, "form": form, "key": key})
        if path.startswith("/identity"):
            return (200, self.identity) if key == f"Bearer {ASK}" else (401, {})
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@dataclass
class StillClock:
    """A clock that only a test moves."""

    time: float = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None: ...


@contextmanager
def serve_cloud() -> Iterator[Cloud]:
    """Yield the double while it serves."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def do_GET(self) -> None:
            self._send("")

        def do_POST(self) -> None:
            self._send(self.rfile.read(int(self.headers["Content-Length"])).decode())

        def _send(self, text: str) -> None:
            status, value = found.answer(self.path, self.headers, text)
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Cloud(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield found
        server.shutdown()
        thread.join()


def reach(cloud: Cloud) -> dict[str, str]:
    """Return the variables by which a federated job reaches the double instead of the services."""
    return {
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{cloud.url}/identity?api=2",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": ASK,
        "AWS_ENDPOINT_URL_STS": f"{cloud.url}/sts",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_STS": f"{cloud.url}/google/",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS": f"{cloud.url}/iam",
        "AZURE_AUTHORITY_HOST": f"{cloud.url}/azure/",
    }


def cloud_job(cloud: Cloud, folder: Path, **inputs: Any) -> Job:
    """Return a job of the federated workflow; `folder` is that of the runner."""
    given = {**reach(cloud), "GITHUB_RUN_ID": 77, "RUNNER_TEMP": str(folder), **inputs}
    said = io.StringIO()
    return Job(
        settings=ActionSettings(**given),
        console=Console(said, said, terminal=False, json=False),
        environment={"PATH": "/bin"},
        clock=StillClock(),
    )


def tell(error: Error) -> str:
    return f"{error.what}: {error.why}; {error.next_step}"
