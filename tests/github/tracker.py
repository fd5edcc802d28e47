"""Changes issues, comments, labels and relations, for both the REST and the GraphQL API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tests.github.exchange import Refused, check_body, custom_error, refuse, wrong_field
from tests.github.people import App, Level, Permission, Token, User
from tests.github.permissions import level_of
from tests.github.state import Comment, Issue, Label, Reaction, Repository
from tests.github.store import Store

MOST_CHILDREN = 100
MOST_LEVELS = 8
MOST_BLOCKERS = 50
LONGEST_TITLE = 256


def open_issue(
    store: Store,
    repository: Repository,
    *,
    token: Token,
    title: str,
    body: str | None = None,
    labels: Sequence[Label] = (),
    assignees: Sequence[User] = (),
) -> Issue:
    """Open an issue; labels and assignees are dropped silently if the caller may not set them."""
    if not repository.has_issues:
        raise refuse(410, "Issues has been disabled in this repository.")
    check_title(title)
    check_body(body, resource="Issue")
    trusted = level_of(token, repository, Permission.ISSUES) >= Level.TRIAGE
    issue = new_issue(store, repository, user=token.user, app=token.app, title=title, body=body)
    if trusted:
        issue.labels = [label.id for label in labels]
        issue.assignees = [*assignees]
    return issue


def new_issue(
    store: Store,
    repository: Repository,
    *,
    user: User,
    app: App | None,
    title: str,
    body: str | None,
) -> Issue:
    """Add an issue, or the issue part of a pull request, which share their numbers."""
    now = store.clock.now()
    issue = Issue(
        id=store.new_id(),
        number=max([*repository.issues, *repository.gone], default=0) + 1,
        title=title,
        body=body,
        user=user,
        app=app,
        created_at=now,
        updated_at=now,
    )
    repository.issues[issue.number] = issue
    return issue


def check_title(title: str) -> None:
    if not title.strip():
        raise wrong_field("Issue", "title", code="missing_field")
    if len(title) > LONGEST_TITLE:
        message = f"title is too long (maximum is {LONGEST_TITLE} characters)"
        raise wrong_field("Issue", "title", code="custom", message=message)


def set_state(issue: Issue, state: str, *, reason: str | None, user: User, now: datetime) -> None:
    """Open or close an issue; closing a closed one again keeps the time and the person."""
    issue.updated_at = now
    if state == "closed":
        was_open = issue.state == "open"
        issue.state_reason = None if issue.pull else (reason or "completed")
        if was_open:
            issue.closed_at, issue.closed_by = now, user
    elif issue.state == "closed":
        issue.closed_at = issue.closed_by = None
        issue.state_reason = None if issue.pull else "reopened"
    issue.state = state


def add_comment(
    store: Store, repository: Repository, *, issue: Issue, token: Token, body: str
) -> Comment:
    check_body(body, resource="IssueComment")
    if not body.strip():
        raise wrong_field("IssueComment", "body", code="missing_field")
    may_write = level_of(token, repository, Permission.CONTENTS) >= Level.WRITE
    if issue.locked and (token.app or not may_write):  # an app is no collaborator
        raise refuse(403, "Unable to create comment because issue is locked.")
    now = store.clock.now()
    comment = Comment(
        id=store.new_id(),
        user=token.user,
        app=token.app,
        body=body,
        created_at=now,
        updated_at=now,
    )
    issue.comments.append(comment)
    issue.updated_at = now
    return comment


def edit_comment(store: Store, comment: Comment, *, body: str) -> None:
    check_body(body, resource="IssueComment")
    comment.body = body
    comment.updated_at = store.clock.now()


def find_or_make_label(store: Store, repository: Repository, name: str) -> Label:
    """Return the label, which is created if unknown, as GitHub does."""
    found = repository.label(name)
    return found or make_label(store, repository, name=name)


def make_label(
    store: Store,
    repository: Repository,
    *,
    name: str,
    color: str = "ededed",
    description: str | None = None,
) -> Label:
    if repository.label(name):
        raise wrong_field("Label", "name", code="already_exists")
    if not name or len(name) > 50:
        message = "name is too long (maximum is 50 characters)"
        raise wrong_field("Label", "name", code="custom", message=message)
    if description and len(description) > 100:
        message = "description is too long (maximum is 100 characters)"
        raise wrong_field("Label", "description", code="custom", message=message)
    label = Label(id=store.new_id(), name=name, color=color, description=description)
    repository.labels.append(label)
    return label


def react(
    store: Store, reactions: list[Reaction], *, user: User, content: str
) -> tuple[Reaction, bool]:
    """Return the reaction, and whether it is new; a user has each reaction at most once."""
    for known in reactions:
        if (known.user, known.content) == (user, content):
            return known, False
    now = store.clock.now()
    reactions.append(Reaction(id=store.new_id(), user=user, content=content, created_at=now))
    return reactions[-1], True


def add_child(store: Store, parent: Issue, *, child: Issue, replace: bool = False) -> None:
    if child.parent and not (replace and child.parent != parent.id):
        message = (
            "Issue may not contain duplicate sub-issues and Sub issue may only have one parent"
        )
        raise custom_error("SubIssue", message)
    if parent.id in {child.id, *descendants(store, child)}:
        raise custom_error("SubIssue", "Sub issue may not create a circular dependency")
    if len(parent.children) >= MOST_CHILDREN:
        message = f"Parent cannot have more than {MOST_CHILDREN} sub-issues"
        raise custom_error("SubIssue", message)
    if len(ancestors(store, parent)) + 1 + height(store, child) > MOST_LEVELS:
        raise custom_error("SubIssue", f"Sub-issues are limited to {MOST_LEVELS} levels")
    remove_child(store, child)
    parent.children.append(child.id)
    child.parent = parent.id


def remove_child(store: Store, child: Issue) -> None:
    if child.parent and (found := store.find_issue(child.parent)):
        found[1].children.remove(child.id)
    child.parent = None


def ancestors(store: Store, issue: Issue) -> list[int]:
    found = store.find_issue(issue.parent) if issue.parent else None
    return [found[1].id, *ancestors(store, found[1])] if found else []


def descendants(store: Store, issue: Issue) -> list[int]:
    children = [found[1] for found in map(store.find_issue, issue.children) if found]
    return [*issue.children, *(below for child in children for below in descendants(store, child))]


def height(store: Store, issue: Issue) -> int:
    """Return the number of levels of sub-issues, with the issue's own."""
    children = [found[1] for found in map(store.find_issue, issue.children) if found]
    return 1 + max((height(store, child) for child in children), default=0)


def block(store: Store, issue: Issue, *, by: Issue) -> None:
    if by.id in issue.blocked_by:
        raise dependency_error("The dependency already exists")
    if by is issue or issue.id in all_blockers(store, by):
        raise dependency_error("The dependency would create a cycle")
    if len(issue.blocked_by) >= MOST_BLOCKERS:
        raise dependency_error(f"An issue cannot be blocked by more than {MOST_BLOCKERS} issues")
    issue.blocked_by.append(by.id)


def dependency_error(message: str) -> Refused:
    return custom_error("IssueDependency", message)


def all_blockers(store: Store, issue: Issue) -> set[int]:
    seen: set[int] = set()
    waiting = [*issue.blocked_by]
    while waiting:
        blocker = waiting.pop()
        if blocker not in seen and (found := store.find_issue(blocker)):
            seen.add(blocker)
            waiting += found[1].blocked_by
    return seen
