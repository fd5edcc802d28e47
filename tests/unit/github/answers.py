"""Prepares GitHub's answers, and the values that clients read from them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import responses

from concertmaster.github.models import Issue, IssueDraft

API = "https://api.github.com:443"
QUERY = f"{API}/graphql"
REPOSITORY = f"{API}/repos/ada/opera"
SECRET = "hunter2-hunter2"
NOW = 1_700_000_000.0
PARENT = Issue(number=1, id=901, node_id="I_1", title="Fruit", body="", author="ada", is_open=True)
Registry = responses.RequestsMock


@dataclass
class Clock:
    """A clock that advances only when somebody sleeps."""

    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return NOW + sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def issue_json(number: int, **more: Any) -> dict[str, Any]:
    return {
        "number": number,
        "id": 900 + number,
        "node_id": f"I_{number}",
        "title": f"Issue {number}",
        "body": "Text",
        "state": "open",
        "user": {"login": "bot"},
        "labels": [{"name": "concertmaster"}],
        "created_at": "2026-01-01T00:00:00Z",
        **more,
    }


def issue(number: int, **more: Any) -> Issue:
    return Issue(
        number=number,
        id=900 + number,
        node_id=f"I_{number}",
        title=f"Issue {number}",
        body="Text",
        author="bot",
        is_open=True,
        **more,
    )


def comment_json(number: int, body: str) -> dict[str, Any]:
    page = f"https://page/{number}"
    return {"id": number, "body": body, "user": {"login": "bot"}, "html_url": page}


def refuse(message: str, **more: Any) -> dict[str, Any]:
    return {"message": message, "documentation_url": "https://docs.github.com/rest", **more}


def asked(github: Registry) -> list[dict[str, Any]]:
    """Return the bodies that were sent to GraphQL."""
    sent = (call.request for call in github.calls if call.request.url == QUERY)
    return [json.loads(request.body or "") for request in sent]


def answer_query(github: Registry, data: Any, **more: Any) -> None:
    github.post(QUERY, json={"data": data, **more})


def made(number: int) -> dict[str, Any]:
    found = {"id": f"I_{number}", "fullDatabaseId": str(900 + number), "number": number}
    return {"issue": {**found, "title": f"Issue {number}", "body": "Text", "state": "OPEN"}}


def drafts(*keys: str) -> list[IssueDraft]:
    return [IssueDraft(key=key, title=f"Write {key}", body=f"{key} {SECRET}") for key in keys]
