"""Builds the payloads of webhooks, as the event file of a workflow holds them."""

from __future__ import annotations

from tests.github.exchange import Object
from tests.github.people import User
from tests.github.state import Comment, Issue, Label, Repository
from tests.github.store import Store
from tests.github.views import issues as issue_view
from tests.github.views import people
from tests.github.views import pulls as pull_view


def payload(store: Store, repository: Repository, *, sender: User, action: str = "") -> Object:
    """Return the part that is common to all events."""
    common: Object = {
        "repository": people.repository(store, repository),
        "sender": people.simple_user(store, sender),
    }
    return ({"action": action} if action else {}) | common


def issue_comment(
    store: Store, repository: Repository, *, issue: Issue, comment: Comment, action: str = "created"
) -> Object:
    return payload(store, repository, sender=comment.user, action=action) | {
        "issue": issue_view.issue(store, repository, issue),
        "comment": issue_view.comment(store, repository, issue=issue, one=comment),
    }


def issues(
    store: Store,
    repository: Repository,
    *,
    issue: Issue,
    sender: User,
    action: str,
    label: Label | None = None,
) -> Object:
    shown: Object = {"issue": issue_view.issue(store, repository, issue)}
    if label:
        shown["label"] = issue_view.label(store, repository, label)
    return payload(store, repository, sender=sender, action=action) | shown


def pull_request(
    store: Store, repository: Repository, *, issue: Issue, sender: User, action: str
) -> Object:
    assert issue.pull
    shown = pull_view.pull(store, repository, issue=issue, pull=issue.pull, mergeable=None)
    more = {"number": issue.number, "pull_request": shown}
    return payload(store, repository, sender=sender, action=action) | more


def workflow_dispatch(
    store: Store, repository: Repository, *, sender: User, workflow: str, ref: str, inputs: Object
) -> Object:
    """Return the payload of a dispatch, in which all inputs are strings."""
    given = {name: str(value) for name, value in inputs.items()}
    more = {"inputs": given or None, "ref": f"refs/heads/{ref}", "workflow": workflow}
    return payload(store, repository, sender=sender) | more


def schedule(cron: str) -> Object:
    return {"schedule": cron}
