"""Defines the values for GitHub's issues, pull requests, comments and jobs, and reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

_WORK = re.compile(r"(?:.* / )?work \(([0-9]{1,6})\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """An issue on GitHub. `id` is the database id; `parent` is the parent's number or 0.

    Times are in GitHub's form (ISO 8601), or "". `repository` is the owner/name that holds the
    issue, or "" if the answer does not say; after a transfer it differs from the one requested.
    """

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
    closed_at: str = ""
    repository: str = ""
    is_pull: bool = False
    is_merged: bool = False
    is_locked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """A pull request. `head` is its branch, or "" if that is in another repository.

    `base` is the branch that it is for. `source` is the repository (owner/name) that holds its
    branch `source_branch`, or "" if that is gone. `merge_commit` is the tip of the base after the
    merge, or "" before it.
    """

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
    base: str = ""
    source: str = ""
    source_branch: str = ""
    is_draft: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """The last move of a branch, as GitHub records it: its new commit, and the time of the move."""

    commit: str
    at: str


class MergeState(StrEnum):
    """The state of a pull request after a request to merge it."""

    MERGED = "merged"
    PENDING = "pending"  # GitHub merges by itself, at once or when its rules are met
    QUEUED = "queued"  # in the base's merge queue
    REFUSED = "refused"
    MOVED = "moved"  # the head is not the commit that was checked


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeResult:
    """The outcome of a request to merge; `reason` is GitHub's, in one line, or ""."""

    state: MergeState
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A comment on an issue, or a review of a pull request."""

    id: int
    body: str
    author: str
    url: str = ""
    created_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueDraft:
    """The content of an issue to create; `key` identifies it among other drafts."""

    key: str
    title: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowJob:
    """A job of a workflow run."""

    name: str
    status: str
    conclusion: str
    started_at: str

    @property
    def share(self) -> int | None:
        """The number of the share that the job works on; None for a job of another kind."""
        found = _WORK.fullmatch(self.name)
        return int(found[1]) if found else None


def read_seconds(time: str) -> float | None:
    """Return a time in GitHub's form as seconds since the epoch; None for ""."""
    return datetime.fromisoformat(time).timestamp() if time else None


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
        closed_at=str(found.get("closed_at") or ""),
        repository="/".join(str(found.get("repository_url") or "").split("/")[-2:]),
        is_pull="pull_request" in found,
        is_merged=bool((found.get("pull_request") or {}).get("merged_at")),
        is_locked=found.get("locked") is True,
    )


def read_issue_of_query(found: Mapping[str, Any]) -> Issue:
    """Read an issue from a GraphQL answer, which has neither author nor labels."""
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
        # Before the merge GitHub names a test merge commit, which is on no branch.
        merge_commit=str(found.get("merge_commit_sha") or "") if is_merged else "",
        created_at=str(found.get("created_at") or ""),
        base=str(base.get("ref") or ""),
        source=str((head.get("repo") or {}).get("full_name") or ""),
        source_branch=str(head.get("ref") or ""),
        is_draft=found.get("draft") is True,
    )


def read_push(found: Mapping[str, Any]) -> Push:
    return Push(commit=str(found.get("after") or ""), at=str(found.get("timestamp") or ""))


def _repository(side: Mapping[str, Any]) -> int | None:
    """Return the id of the repository, because names change; None for a deleted fork."""
    found: int | None = (side.get("repo") or {}).get("id")
    return found


def read_comment(found: Mapping[str, Any]) -> Comment:
    return Comment(
        id=int(found["id"]),
        body=str(found.get("body") or ""),
        author=str((found.get("user") or {}).get("login", "")),
        url=str(found.get("html_url") or ""),
        created_at=str(found.get("created_at") or ""),
    )


def read_job(found: Mapping[str, Any]) -> WorkflowJob:
    return WorkflowJob(
        name=str(found.get("name") or ""),
        status=str(found.get("status") or ""),
        conclusion=str(found.get("conclusion") or ""),
        started_at=str(found.get("started_at") or ""),
    )
