"""Implements the mutations of issues, and lists all mutations by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.github import tracker
from tests.github.exchange import Refused, check_body
from tests.github.people import Level, Permission
from tests.github.query import landing
from tests.github.query.finding import issue_of, pull_of, repository_of, wrong_kind
from tests.github.query.reading import actor
from tests.github.query.sources import CommentAt, Desk, IssueAt, LabelAt, PullAt, QueryError
from tests.github.state import Issue, Label, Repository

Input = dict[str, Any]
Payload = dict[str, Any]
ISSUES, PULLS, CONTENTS = Permission.ISSUES, Permission.PULL_REQUESTS, Permission.CONTENTS
PARTICIPATE, TRIAGE, WRITE = Level.PARTICIPATE, Level.TRIAGE, Level.WRITE


def labels_of(desk: Desk, nodes: list[str]) -> list[Label]:
    found = [desk.find(node) for node in nodes]
    return [one.label for one in found if isinstance(one, LabelAt)]


def create_issue(desk: Desk, given: Input) -> Payload:
    repository = repository_of(desk, given["repositoryId"])
    desk.demand(repository, ISSUES, PARTICIPATE)
    parent = issue_of(desk, given["parentIssueId"]) if given.get("parentIssueId") else None
    labels = labels_of(desk, given.get("labelIds") or [])
    desk.limits.spend_content(desk.token)
    issue = tracker.open_issue(
        desk.store,
        repository,
        token=desk.caller(),
        title=given["title"],
        body=given.get("body"),
        labels=labels,
    )
    if parent:
        adopt(desk, repository, parent=parent, child=issue)
    return {"issue": IssueAt(repository=repository, issue=issue)}


def adopt(desk: Desk, repository: Repository, *, parent: IssueAt, child: Issue) -> None:
    """Make the child a sub-issue, or remove it again if the parent takes no more."""
    try:
        tracker.add_child(desk.store, parent.issue, child=child)
    except Refused:
        del repository.issues[child.number]
        raise


def update_issue(desk: Desk, given: Input) -> Payload:
    at = issue_of(desk, given["id"])
    check_body(given.get("body"), resource="Issue")
    if given.get("title") is not None:
        tracker.check_title(given["title"])
        at.issue.title = given["title"]
    if given.get("body") is not None:
        at.issue.body = given["body"]
    if given.get("labelIds") is not None:
        at.issue.labels = [label.id for label in labels_of(desk, given["labelIds"])]
    if given.get("state"):
        set_state(desk, at, given["state"].lower())
    at.issue.updated_at = desk.store.clock.now()
    return {"issue": at, "actor": actor(desk, desk.caller().user)}


def set_state(desk: Desk, at: IssueAt, state: str, *, reason: str | None = None) -> None:
    user, now = desk.caller().user, desk.store.clock.now()
    tracker.set_state(at.issue, state, reason=reason, user=user, now=now)


def close_issue(desk: Desk, given: Input) -> Payload:
    at = issue_of(desk, given["issueId"])
    set_state(desk, at, "closed", reason=(given.get("stateReason") or "completed").lower())
    return {"issue": at}


def reopen_issue(desk: Desk, given: Input) -> Payload:
    at = issue_of(desk, given["issueId"])
    set_state(desk, at, "open")
    return {"issue": at}


def add_sub_issue(desk: Desk, given: Input) -> Payload:
    parent, child = issue_of(desk, given["issueId"]), issue_of(desk, given["subIssueId"])
    desk.limits.spend_content(desk.token)
    replace = bool(given.get("replaceParent"))
    tracker.add_child(desk.store, parent.issue, child=child.issue, replace=replace)
    return {"issue": parent, "subIssue": child}


def remove_sub_issue(desk: Desk, given: Input) -> Payload:
    parent, child = issue_of(desk, given["issueId"]), issue_of(desk, given["subIssueId"])
    if child.issue.parent != parent.issue.id:
        raise QueryError("NOT_FOUND", "The sub-issue does not exist")
    tracker.remove_child(desk.store, child.issue)
    return {"issue": parent, "subIssue": child}


def add_blocked_by(desk: Desk, given: Input) -> Payload:
    at, blocker = issue_of(desk, given["issueId"]), issue_of(desk, given["blockingIssueId"])
    desk.limits.spend_content(desk.token)
    tracker.block(desk.store, at.issue, by=blocker.issue)
    return {"issue": at, "blockingIssue": blocker}


def remove_blocked_by(desk: Desk, given: Input) -> Payload:
    at, blocker = issue_of(desk, given["issueId"]), issue_of(desk, given["blockingIssueId"])
    if blocker.issue.id not in at.issue.blocked_by:
        raise QueryError("NOT_FOUND", "The dependency does not exist")
    at.issue.blocked_by.remove(blocker.issue.id)
    return {"issue": at, "blockingIssue": blocker}


def labelable(desk: Desk, node: str) -> IssueAt | PullAt:
    found = desk.find(node)
    if isinstance(found, PullAt):
        return pull_of(desk, node, permission=PULLS)
    return issue_of(desk, node)


def add_labels(desk: Desk, given: Input) -> Payload:
    at = labelable(desk, given["labelableId"])
    new = [label.id for label in labels_of(desk, given["labelIds"])]
    at.issue.labels += [label for label in new if label not in at.issue.labels]
    at.issue.updated_at = desk.store.clock.now()
    return {"labelable": at}


def remove_labels(desk: Desk, given: Input) -> Payload:
    at = labelable(desk, given["labelableId"])
    gone = {label.id for label in labels_of(desk, given["labelIds"])}
    at.issue.labels = [label for label in at.issue.labels if label not in gone]
    at.issue.updated_at = desk.store.clock.now()
    return {"labelable": at}


def add_comment(desk: Desk, given: Input) -> Payload:
    at = desk.find(given["subjectId"])
    if not isinstance(at, IssueAt | PullAt):
        raise wrong_kind(given["subjectId"], "Node")
    desk.demand(at.repository, PULLS if at.issue.pull else ISSUES, PARTICIPATE)
    desk.limits.spend_content(desk.token)
    comment = tracker.add_comment(
        desk.store, at.repository, issue=at.issue, token=desk.caller(), body=given["body"]
    )
    node = CommentAt(repository=at.repository, issue=at.issue, comment=comment)
    return {"subject": at, "commentEdge": {"cursor": str(comment.id), "node": node}}


def update_comment(desk: Desk, given: Input) -> Payload:
    at = desk.find(given["id"])
    if not isinstance(at, CommentAt):
        raise wrong_kind(given["id"], "IssueComment")
    permission = PULLS if at.issue.pull else ISSUES
    own = at.comment.user == desk.caller().user
    desk.demand(at.repository, permission, PARTICIPATE if own else WRITE)
    tracker.edit_comment(desk.store, at.comment, body=given["body"])
    return {"issueComment": at}


MUTATIONS: dict[str, Callable[[Desk, Input], Payload]] = {
    "addBlockedBy": add_blocked_by,
    "addComment": add_comment,
    "addLabelsToLabelable": add_labels,
    "addSubIssue": add_sub_issue,
    "closeIssue": close_issue,
    "createCommitOnBranch": landing.create_commit,
    "createIssue": create_issue,
    "enablePullRequestAutoMerge": landing.enable_auto_merge,
    "enqueuePullRequest": landing.enqueue,
    "mergePullRequest": landing.merge_pull,
    "removeBlockedBy": remove_blocked_by,
    "removeLabelsFromLabelable": remove_labels,
    "removeSubIssue": remove_sub_issue,
    "reopenIssue": reopen_issue,
    "updateIssue": update_issue,
    "updateIssueComment": update_comment,
    "updateRefs": landing.update_refs,
}
