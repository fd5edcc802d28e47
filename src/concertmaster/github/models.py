"""What GitHub holds of issues, pull requests, comments and jobs, as values of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """An issue as GitHub holds it: `id` is the database id, `parent` a number or 0, `created_at`
    as GitHub writes times. `repository` is the owner/name that holds it, "" where it is not said;
    after a transfer it is another one than was asked."""

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
    repository: str = ""
    is_pull: bool = False
    is_merged: bool = False
    is_locked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """A pull request. `head` is its branch, "" where that lies in another repository;
    `merge_commit` is the base's tip after the merge, "" before."""

    number: int
    node_id: str
    title: str
    body: str
    author: str
    head: str
    head_commit: str
    is_open: bool
    is_merged: bool
    has_auto_merge: bool
    merge_commit: str
    created_at: str


class MergeState(StrEnum):
    """What became of a wish to merge."""

    MERGED = "merged"
    PENDING = "pending"  # GitHub does it by itself, at once or when its rules are met
    QUEUED = "queued"  # in the base's merge queue
    REFUSED = "refused"
    MOVED = "moved"  # its head is another one than was checked


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeResult:
    """`reason` is GitHub's, in one line, or ""."""

    state: MergeState
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """One comment of an issue, or one review of a pull request."""

    id: int
    body: str
    author: str
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueDraft:
    """What an issue is to say. `key` tells it from the others."""

    key: str
    title: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowJob:
    """One job of a workflow run."""

    name: str
    status: str
    conclusion: str
    started_at: str


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
        repository="/".join(str(found.get("repository_url") or "").split("/")[-2:]),
        is_pull="pull_request" in found,
        is_merged=bool((found.get("pull_request") or {}).get("merged_at")),
        is_locked=found.get("locked") is True,
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


def read_pull(found: Mapping[str, Any]) -> Pull:
    head, base = found.get("head") or {}, found.get("base") or {}
    is_here = _repository(head) is not None and _repository(head) == _repository(base)
    is_merged = bool(found.get("merged_at"))
    return Pull(
        number=int(found["number"]),
        node_id=str(found.get("node_id") or ""),
        title=str(found.get("title") or ""),
        body=str(found.get("body") or ""),
        author=str((found.get("user") or {}).get("login", "")),
        head=str(head.get("ref") or "") if is_here else "",
        head_commit=str(head.get("sha") or ""),
        is_open=found.get("state") == "open",
        is_merged=is_merged,
        has_auto_merge=bool(found.get("auto_merge")),
        # Before the merge it is that of a trial, which is on no branch.
        merge_commit=str(found.get("merge_commit_sha") or "") if is_merged else "",
        created_at=str(found.get("created_at") or ""),
    )


def _repository(side: Mapping[str, Any]) -> int | None:
    """The id: a name may change. None for a fork that is gone."""
    found: int | None = (side.get("repo") or {}).get("id")
    return found


def read_comment(found: Mapping[str, Any]) -> Comment:
    return Comment(
        id=int(found["id"]),
        body=str(found.get("body") or ""),
        author=str((found.get("user") or {}).get("login", "")),
        url=str(found.get("html_url") or ""),
    )


def read_job(found: Mapping[str, Any]) -> WorkflowJob:
    return WorkflowJob(
        name=str(found.get("name") or ""),
        status=str(found.get("status") or ""),
        conclusion=str(found.get("conclusion") or ""),
        started_at=str(found.get("started_at") or ""),
    )
