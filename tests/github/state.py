"""Defines the double's state: mutable entities, changed under the store's lock, and values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.github.people import App, Role, Token, User


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    id: int
    name: str
    color: str = "ededed"
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    id: int
    user: User
    content: str
    created_at: datetime


@dataclass(slots=True, kw_only=True)
class Comment:
    id: int
    user: User
    app: App | None
    body: str
    created_at: datetime
    updated_at: datetime
    reactions: list[Reaction] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    id: int
    user: User
    body: str
    state: str
    commit: str
    submitted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoMerge:
    """A request to merge as soon as the rules allow it, made with `token`."""

    token: Token
    method: str
    enabled_at: datetime
    title: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEntry:
    """An entry in the merge queue of the base."""

    id: int
    token: Token
    enqueued_at: datetime


@dataclass(slots=True, kw_only=True)
class Pull:
    """The additional state of an issue that is a pull request.

    `head_commit` is kept after the branch is deleted. `fork` holds the head if that is no branch
    of this repository.
    """

    id: int
    head: str
    base: str
    head_commit: str
    base_commit: str
    draft: bool = False
    merged_at: datetime | None = None
    merged_by: User | None = None
    merge_commit: str | None = None
    reviews: list[Review] = field(default_factory=list)
    requested_reviewers: list[User] = field(default_factory=list)
    auto_merge: AutoMerge | None = None
    queue_entry: QueueEntry | None = None
    fork: Repository | None = None
    # Head and base of the last query: GitHub answers null at first and only then starts to compute.
    asked_about: tuple[str, str] | None = None


@dataclass(slots=True, kw_only=True)
class Issue:
    """An issue or a pull request; labels and relations are ids."""

    id: int
    number: int
    title: str
    body: str | None
    user: User
    app: App | None
    created_at: datetime
    updated_at: datetime
    state: str = "open"
    state_reason: str | None = None
    closed_at: datetime | None = None
    closed_by: User | None = None
    labels: list[int] = field(default_factory=list)
    assignees: list[User] = field(default_factory=list)
    locked: bool = False
    lock_reason: str | None = None
    comments: list[Comment] = field(default_factory=list)
    reactions: list[Reaction] = field(default_factory=list)
    parent: int | None = None
    children: list[int] = field(default_factory=list)
    blocked_by: list[int] = field(default_factory=list)
    pull: Pull | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    id: int
    commit: str
    state: str
    context: str
    description: str | None
    target_url: str | None
    creator: User
    created_at: datetime


@dataclass(slots=True, kw_only=True)
class CheckRun:
    id: int
    commit: str
    name: str
    app: App
    status: str
    conclusion: str | None
    started_at: datetime | None
    completed_at: datetime | None
    details_url: str | None
    external_id: str
    output: dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Job:
    id: int
    name: str
    created_at: datetime
    status: str = "queued"
    conclusion: str | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None


@dataclass(slots=True, kw_only=True)
class Run:
    id: int
    number: int
    workflow: str
    event: str
    actor: User
    branch: str
    commit: str
    created_at: datetime
    updated_at: datetime
    inputs: dict[str, Any] = field(default_factory=dict)
    status: str = "queued"
    conclusion: str | None = None
    jobs: list[Job] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """A move of a branch, as the server records it; an id of zeros stands for no commit."""

    id: int
    ref: str
    before: str
    after: str
    actor: User
    timestamp: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule for the branches that match a pattern, with GitHub's type and parameters."""

    id: int
    branches: str
    type: str
    parameters: dict[str, Any] = field(default_factory=dict)
    bypass: frozenset[str] = frozenset()


@dataclass(slots=True, kw_only=True)
class MergeRequest:
    """An asynchronous request to merge, done after `calls_left` further calls."""

    uuid: str
    number: int
    token: Token
    head: str
    method: str
    action: str
    title: str | None = None
    text: str | None = None
    status: str = "pending"
    message: str = "Merge request is pending."
    commit: str | None = None
    calls_left: int = 1


@dataclass(slots=True, kw_only=True)
class Repository:
    """A repository; `folder` is its bare repository on disk.

    `default_tip` is the tip of the default branch up to which commits were searched for keywords.
    """

    id: int
    owner: User
    name: str
    folder: Path
    created_at: datetime
    default_branch: str = "main"
    default_tip: str | None = None
    private: bool = False
    has_issues: bool = True
    allow_auto_merge: bool = False
    allow_pulls_by_actions: bool = True
    # Where the workflow files of a push must be already, in two readings of what was observed: on
    # any branch, or on the default branch.
    workflows_on_any_branch: bool = True
    roles: dict[str, Role] = field(default_factory=dict)
    labels: list[Label] = field(default_factory=list)
    issues: dict[int, Issue] = field(default_factory=dict)
    # Numbers of former issues, with their new place, or None for deleted ones.
    gone: dict[int, tuple[Repository, int] | None] = field(default_factory=dict)
    statuses: list[Status] = field(default_factory=list)
    check_runs: list[CheckRun] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    workflow_ids: dict[str, int] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)
    activities: list[Activity] = field(default_factory=list)  # oldest first
    merge_requests: list[MergeRequest] = field(default_factory=list)

    @property
    def full_name(self) -> str:
        return f"{self.owner.login}/{self.name}"

    def role(self, user: User) -> Role:
        given = self.roles.get(user.login.lower(), Role.NONE)
        if user == self.owner:
            return Role.ADMIN
        return Role.READ if given is Role.NONE and not self.private else given

    def label(self, name: str) -> Label | None:
        return next((one for one in self.labels if one.name.lower() == name.lower()), None)

    def labels_of(self, issue: Issue) -> list[Label]:
        return [label for label in self.labels if label.id in issue.labels]

    def issue_by_id(self, issue_id: int) -> Issue | None:
        return next((issue for issue in self.issues.values() if issue.id == issue_id), None)

    def pulls(self) -> list[tuple[Issue, Pull]]:
        return [(issue, issue.pull) for issue in self.issues.values() if issue.pull]
