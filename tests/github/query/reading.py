"""Reads fields that need a look-up, a connection or git."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.github import merging
from tests.github.bare import Bare
from tests.github.clock import stamp
from tests.github.gatekeeper import rules_of
from tests.github.people import Kind, Role, User
from tests.github.permissions import is_visible
from tests.github.query.sources import (
    BlobAt,
    CommentAt,
    CommitAt,
    Desk,
    EntryAt,
    IssueAt,
    LabelAt,
    PullAt,
    QueryError,
    RefAt,
    connection,
)
from tests.github.state import Issue, Repository
from tests.github.views import issues, people


def moment(when: datetime | None) -> str | None:
    return stamp(when) if when else None


def actor(desk: Desk, user: User) -> dict[str, Any]:
    """Return an author; GraphQL names a bot without the suffix that the REST API shows."""
    return account(desk, user) | {"login": user.login.removesuffix("[bot]")}


def account(desk: Desk, user: User) -> dict[str, Any]:
    return {
        "__typename": "Bot" if user.kind is Kind.BOT else "User",
        "id": people.user_node(user),
        "databaseId": user.id if user.id < 2**31 else None,
        "login": user.login,
        "name": user.name,
        "avatarUrl": f"{desk.store.url}/avatars/{user.id}",
        "resourcePath": f"/{user.login}",
        "url": f"{desk.store.url}/{user.login}",
    }


def whole(number: int) -> int | None:
    """Return a number that fits GraphQL's Int of 32 bits, or None; see fullDatabaseId."""
    return number if number < 2**31 else None


# Query


def find_repository(_: object, desk: Desk, **args: Any) -> Repository:
    name = f"{args['owner']}/{args['name']}"
    found = desk.store.repository(name)
    if found is None or not is_visible(desk.token, found):
        message = f"Could not resolve to a Repository with the name '{name}'."
        raise QueryError("NOT_FOUND", message)
    return found


def find_nodes(_: object, desk: Desk, *, ids: list[str]) -> list[Any]:
    """Return the nodes; an unknown one becomes an error beside the others."""

    def find(one: str) -> Any:
        try:
            return desk.find(one)
        except QueryError as error:
            return error

    return [find(one) for one in ids]


def find_user(_: object, desk: Desk, *, login: str) -> dict[str, Any]:
    user = desk.store.user(login)
    if user is None or user.kind is not Kind.USER:
        raise QueryError("NOT_FOUND", f"Could not resolve to a User with the login of '{login}'.")
    return account(desk, user)


def viewer(_: object, desk: Desk) -> dict[str, Any]:
    """Return the caller, whose type is User even for the bot of an app."""
    return account(desk, desk.caller().user) | {"__typename": "User"}


def rate_limit(_: object, desk: Desk, **_args: Any) -> dict[str, Any]:
    overview = desk.limits.overview(desk.token, "graphql")
    reset = datetime.fromtimestamp(overview["reset"], UTC)
    kept = {key: overview[key] for key in ("limit", "remaining", "used")}
    return kept | {"cost": 1, "resetAt": stamp(reset)}


# Repository


def ref_at(repository: Repository, name: str) -> RefAt | None:
    full = name if name.startswith("refs/") else f"refs/heads/{name}"
    commit = Bare(repository.folder).refs(full).get(full)
    return RefAt(repository=repository, name=full, commit=commit) if commit else None


def object_at(
    at: Repository, _: Desk, *, expression: str | None = None, oid: str | None = None
) -> CommitAt | BlobAt | None:
    bare = Bare(at.folder)
    commit, separator, path = (oid or expression or "").partition(":")
    sha = bare.find(commit)
    if sha is None:
        return None
    if not separator:
        return CommitAt(repository=at, sha=sha)
    entry = bare.entry(sha, path)
    return BlobAt(repository=at, sha=entry.sha) if entry and entry.kind == "blob" else None


def issue_numbered(at: Repository, _: Desk, *, number: int) -> IssueAt:
    issue = at.issues.get(number)
    if issue is None or issue.pull:
        message = f"Could not resolve to an Issue with the number of {number}."
        raise QueryError("NOT_FOUND", message)
    return IssueAt(repository=at, issue=issue)


def pull_numbered(at: Repository, _: Desk, *, number: int) -> PullAt:
    issue = at.issues.get(number)
    if issue is None or issue.pull is None:
        message = f"Could not resolve to a PullRequest with the number of {number}."
        raise QueryError("NOT_FOUND", message)
    return PullAt(repository=at, issue=issue, pull=issue.pull)


def issues_of(at: Repository, desk: Desk, **args: Any) -> dict[str, Any]:
    states = {state.lower() for state in args.get("states") or ("OPEN", "CLOSED")}
    labels = {name.lower() for name in args.get("labels") or ()}
    found = [
        issue
        for issue in desk.store.listed([*at.issues.values()])
        if issue.pull is None
        and issue.state in states
        and (not labels or labels & {label.name.lower() for label in at.labels_of(issue)})
    ]
    return connection(
        found, lambda one: IssueAt(repository=at, issue=one), name="issues", args=args
    )


def pulls_of(at: Repository, _: Desk, **args: Any) -> dict[str, Any]:
    found = [
        PullAt(repository=at, issue=issue, pull=pull)
        for issue, pull in at.pulls()
        if args.get("headRefName") in {None, pull.head}
        and args.get("baseRefName") in {None, pull.base}
    ]
    states = args.get("states") or ("OPEN", "CLOSED", "MERGED")
    found = [one for one in found if pull_state(one) in states]
    return connection(found, lambda one: one, name="pullRequests", args=args)


def label_named(at: Repository, _: Desk, *, name: str) -> LabelAt | None:
    label = at.label(name)
    return LabelAt(repository=at, label=label) if label else None


def labels_of(at: Repository | IssueAt | PullAt, _: Desk, **args: Any) -> dict[str, Any]:
    home = at if isinstance(at, Repository) else at.repository
    found = at.labels if isinstance(at, Repository) else home.labels_of(at.issue)
    wanted = (args.pop("query", None) or "").lower()
    found = [label for label in found if wanted in label.name.lower()]
    return connection(
        found, lambda one: LabelAt(repository=home, label=one), name="labels", args=args
    )


def viewer_permission(at: Repository, desk: Desk) -> str | None:
    token = desk.caller()
    role = Role.NONE if token.app else at.role(token.user)
    return None if role is Role.NONE else role.name


# Issues


def related(desk: Desk, ids: list[int], *, name: str, args: dict[str, Any]) -> dict[str, Any]:
    found = [
        one for one in map(desk.store.find_issue, ids) if one and is_visible(desk.token, one[0])
    ]
    return connection(
        found, lambda one: IssueAt(repository=one[0], issue=one[1]), name=name, args=args
    )


def blocking(at: IssueAt, desk: Desk, **args: Any) -> dict[str, Any]:
    ids = [issue.id for _, issue in issues.blocking(desk.store, at.issue)]
    return related(desk, ids, name="blocking", args=args)


def parent(at: IssueAt, desk: Desk) -> IssueAt | None:
    found = desk.store.find_issue(at.issue.parent or 0)
    return IssueAt(repository=found[0], issue=found[1]) if found else None


def comments_of(at: IssueAt, desk: Desk, **args: Any) -> dict[str, Any]:
    found = desk.store.listed(at.issue.comments)
    return connection(
        found,
        lambda one: CommentAt(repository=at.repository, issue=at.issue, comment=one),
        name="comments",
        args=args,
    )


def children_summary(at: IssueAt, desk: Desk) -> dict[str, Any]:
    summary = issues.children_summary(desk.store, at.issue)
    return {
        "total": summary["total"],
        "completed": summary["completed"],
        "percentCompleted": summary["percent_completed"],
    }


def reason(issue: Issue) -> str | None:
    return issue.state_reason.upper() if issue.state_reason else None


# Pull requests


def pull_state(at: PullAt) -> str:
    return "MERGED" if at.pull.merged_at else at.issue.state.upper()


def mergeable(at: PullAt, _: Desk) -> str:
    found = merging.mergeable(at.repository, at.issue, at.pull)
    return {None: "UNKNOWN", True: "MERGEABLE", False: "CONFLICTING"}[found]


def review_decision(at: PullAt, _: Desk) -> str | None:
    """Return the state of the reviews; None if the base requires none and nobody objects."""
    latest = {one.user.login: one.state for one in at.pull.reviews if one.state != "COMMENTED"}
    if "CHANGES_REQUESTED" in latest.values():
        return "CHANGES_REQUESTED"
    rules = rules_of(at.repository, at.pull.base)
    wanted = [one.parameters.get("required_approving_review_count", 0) for one in rules]
    needed = max(wanted, default=0)
    if not needed:
        return None
    approvals = [state for state in latest.values() if state == "APPROVED"]
    return "APPROVED" if len(approvals) >= needed else "REVIEW_REQUIRED"


def merge_commit(at: PullAt, _: Desk) -> CommitAt | None:
    sha = at.pull.merge_commit
    return CommitAt(repository=at.repository, sha=sha) if sha else None


def auto_merge(at: PullAt, desk: Desk) -> dict[str, Any] | None:
    one = at.pull.auto_merge
    if one is None:
        return None
    return {
        "commitBody": one.text,
        "commitHeadline": one.title,
        "enabledAt": stamp(one.enabled_at),
        "enabledBy": actor(desk, one.token.user),
        "mergeMethod": one.method.upper(),
    }


def queue_entry(at: PullAt, _: Desk) -> EntryAt | None:
    return EntryAt(at=at, entry=at.pull.queue_entry) if at.pull.queue_entry else None


def title_of(at: CommitAt) -> str:
    return message_of(at).partition("\n")[0]


def message_of(at: CommitAt) -> str:
    return Bare(at.repository.folder).read_commit(at.sha).message


def date_of(at: CommitAt) -> str:
    return Bare(at.repository.folder).read_commit(at.sha).committer.date


def blob_of(at: BlobAt) -> bytes:
    return Bare(at.repository.folder).blob(at.sha)
