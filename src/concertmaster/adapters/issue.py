"""What GitHub holds of issues, comments and jobs, as values of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """An issue as GitHub holds it: `id` is the database id, `parent` a number or 0, `created_at`
    as GitHub writes times."""

    number: int
    id: int
    node_id: str
    title: str
    body: str
    author: str
    is_open: bool
    labels: frozenset[str] = frozenset()
    parent: int = 0
    created_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """One comment of an issue."""

    id: int
    body: str
    author: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What an issue is to say. `key` tells it from the others."""

    key: str
    title: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job of a workflow run."""

    name: str
    status: str
    conclusion: str
    started_at: str
    url: str


def read_issue(found: Mapping[str, Any]) -> Issue:
    parent = str(found.get("parent_issue_url") or "").rpartition("/")[2]
    return Issue(
        number=int(found["number"]),
        id=int(found["id"]),
        node_id=str(found.get("node_id", "")),
        title=str(found.get("title") or ""),
        body=str(found.get("body") or ""),
        author=str((found.get("user") or {}).get("login", "")),
        is_open=found.get("state") == "open",
        labels=frozenset(str(label["name"]) for label in found.get("labels") or ()),
        parent=int(parent) if parent.isdigit() else 0,
        created_at=str(found.get("created_at") or ""),
    )


def read_issue_of_query(found: Mapping[str, Any]) -> Issue:
    return Issue(
        number=int(found["number"]),
        id=int(found.get("fullDatabaseId") or 0),
        node_id=str(found["id"]),
        title=str(found.get("title") or ""),
        body=str(found.get("body") or ""),
        author="",
        is_open=found.get("state") == "OPEN",
    )


def read_comment(found: Mapping[str, Any]) -> Comment:
    author = str((found.get("user") or {}).get("login", ""))
    return Comment(id=int(found["id"]), body=str(found.get("body") or ""), author=author)


def read_job(found: Mapping[str, Any]) -> Job:
    return Job(
        name=str(found.get("name") or ""),
        status=str(found.get("status") or ""),
        conclusion=str(found.get("conclusion") or ""),
        started_at=str(found.get("started_at") or ""),
        url=str(found.get("html_url") or ""),
    )
