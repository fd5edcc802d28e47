"""Defines requests, responses and GitHub's refusals."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = Any
Object = dict[str, Any]
DOCUMENTATION = "https://docs.github.com/rest"
LONGEST_BODY = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An HTTP request: `path` is still quoted, the names of headers are in lower case."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""

    def json(self) -> Json:
        return json.loads(self.content) if self.content else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    status: int = 200
    body: Json = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def content(self) -> bytes:
        return b"" if self.body is None else json.dumps(self.body).encode()


class Refused(Exception):
    """The request is refused with `response`."""

    def __init__(self, response: Response) -> None:
        super().__init__((response.body or {}).get("message", response.status))
        self.response = response


def refuse(status: int, message: str, **more: Json) -> Refused:
    body = {"message": message, "documentation_url": DOCUMENTATION, "status": str(status)}
    return Refused(Response(status=status, body=body | more))


def not_found() -> Refused:
    return refuse(404, "Not Found")


def invalid(*errors: Json, message: str = "Validation Failed") -> Refused:
    return refuse(422, message, errors=[*errors])


def wrong_field(resource: str, name: str, *, code: str = "invalid", message: str = "") -> Refused:
    error = {"resource": resource, "field": name, "code": code}
    return invalid(error | ({"message": message} if message else {}))


def custom_error(resource: str, message: str) -> Refused:
    return invalid({"resource": resource, "code": "custom", "message": message})


def check_body(text: str | None, *, resource: str) -> None:
    """Refuse a text that is too long; GitHub counts characters, not bytes."""
    if text is not None and len(text) > LONGEST_BODY:
        message = f"body is too long (maximum is {LONGEST_BODY} characters)"
        raise wrong_field(resource, "body", code="custom", message=message)
