"""The mutations, each with its input and its payload."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from tests.github import merging, tracker
from tests.github.bare import WORKFLOWS, ZERO, Bare, Moved, person
from tests.github.exchange import Refused, check_body
from tests.github.gatekeeper import Forbidden, Move, check_push, rules_of
from tests.github.merging import WEB_FLOW, Wish
from tests.github.people import Level, Permission
from tests.github.query.fields import actor
from tests.github.query.sources import (
    CommentAt,
    CommitAt,
    Desk,
    EntryAt,
    IssueAt,
    LabelAt,
    PullAt,
    QueryError,
    RefAt,
)
from tests.github.state import AutoMerge, Issue, Label, QueueEntry, Repository

Input = dict[str, Any]
Payload = dict[str, Any]
ISSUES, PULLS, CONTENTS = Permission.ISSUES, Permission.PULL_REQUESTS, Permission.CONTENTS
PARTICIPATE, TRIAGE, WRITE = Level.PARTICIPATE, Level.TRIAGE, Level.WRITE


def unprocessable(message: str) -> QueryError:
    return QueryError("UNPROCESSABLE", message)


def repository_of(desk: Desk, node: str) -> Repository:
    found = desk.find(node)
    if not isinstance(found, Repository):
        raise wrong_kind(node, "Repository")
    return found


def issue_of(desk: Desk, node: str, *, level: Level = TRIAGE) -> IssueAt:
    found = desk.find(node)
    if not isinstance(found, IssueAt):
        raise wrong_kind(node, "Issue")
    desk.demand(found.repository, ISSUES, level)
    return found


def pull_of(desk: Desk, node: str, *, permission: Permission) -> PullAt:
    found = desk.find(node)
    if not isinstance(found, PullAt):
        raise wrong_kind(node, "PullRequest")
    desk.demand(found.repository, permission, WRITE)
    return found


def wrong_kind(node: str, kind: str) -> QueryError:
    return QueryError(
        "NOT_FOUND", f"Could not resolve to {kind} node with the global id of '{node}'."
    )


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
    """An issue that its parent cannot take is not made."""
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


def committed_branch(desk: Desk, given: Input) -> tuple[Repository, str]:
    name = given.get("repositoryNameWithOwner") or ""
    repository = desk.store.repository(name)
    if repository is None or not given.get("branchName"):
        raise QueryError("NOT_FOUND", f"Could not resolve to a Repository with the name '{name}'.")
    desk.demand(repository, CONTENTS, WRITE)
    return repository, given["branchName"].removeprefix("refs/heads/")


def create_commit(desk: Desk, given: Input) -> Payload:
    """Signed by GitHub, on exactly the expected head; refused where it touches a workflow file."""
    repository, branch = committed_branch(desk, given["branch"])
    bare = Bare(repository.folder)
    head, expected = bare.branch(branch), given["expectedHeadOid"]
    if head is None:
        raise QueryError("NOT_FOUND", f"No such branch '{branch}'.")
    if head != expected:
        message = f'Expected branch to point to "{expected}" but it did not. Pull and try again.'
        raise QueryError("STALE_DATA", message)
    changes = file_changes(bare, given.get("fileChanges") or {})
    tree = bare.edited_tree(head, changes)
    message = given["message"]["headline"] + "\n\n" + (given["message"].get("body") or "")
    now = desk.store.clock.now()
    commit = bare.commit(
        tree,
        parents=[head],
        message=message.strip() + "\n",
        author=person(desk.caller().user, when=now),
        committer=person(WEB_FLOW, when=now),
    )
    move_refs(desk, repository, [Move(ref=f"refs/heads/{branch}", old=head, new=commit)])
    ref = RefAt(repository=repository, name=f"refs/heads/{branch}", commit=commit)
    return {"commit": CommitAt(repository=repository, sha=commit), "ref": ref}


def file_changes(bare: Bare, given: Input) -> list[tuple[str, str, str | None]]:
    """A file keeps no mode: GitHub writes all as plain."""
    additions = [
        (one["path"], "100644", bare.write_blob(base64.b64decode(one["contents"])))
        for one in given.get("additions") or []
    ]
    return [*additions, *((one["path"], "0", None) for one in given.get("deletions") or [])]


def move_refs(desk: Desk, repository: Repository, moves: list[Move]) -> None:
    """All or none."""
    bare = Bare(repository.folder)
    try:
        for move in moves:
            check_push(repository, desk.caller(), move=move, bare=bare)
        bare.update({move.ref: (move.new, move.old) for move in moves})
    except Forbidden as forbidden:
        kind = "FORBIDDEN" if WORKFLOWS in str(forbidden) else "UNPROCESSABLE"
        raise QueryError(kind, str(forbidden)) from forbidden
    except Moved as moved:
        raise unprocessable(f"A ref was updated meanwhile: {moved}") from moved
    merging.note_push(desk.store, repository, user=desk.caller().user)


def update_refs(desk: Desk, given: Input) -> Payload:
    repository = repository_of(desk, given["repositoryId"])
    desk.demand(repository, CONTENTS, WRITE)
    moves = [read_move(repository, one) for one in given["refUpdates"]]
    move_refs(desk, repository, moves)
    return {}


def read_move(repository: Repository, one: Input) -> Move:
    """The expected id may be left out; a forced move need not be a fast-forward."""
    bare = Bare(repository.folder)
    now = bare.refs(one["name"]).get(one["name"], ZERO)
    move = Move(ref=one["name"], old=one.get("beforeOid") or now, new=one["afterOid"])
    if move.old != now:
        raise unprocessable(f"Expected {move.ref} to point to {move.old}, but it points to {now}")
    forward = ZERO in {move.old, move.new} or bare.reaches(move.new, move.old)
    if not forward and not one.get("force"):
        raise unprocessable(f"Update of {move.ref} is not a fast forward")
    return move


def check_head(at: PullAt, given: Input) -> None:
    if given.get("expectedHeadOid") not in {None, at.pull.head_commit}:
        raise unprocessable("Head branch was modified. Review and try the merge again.")


def enable_auto_merge(desk: Desk, given: Input) -> Payload:
    at = pull_of(desk, given["pullRequestId"], permission=PULLS)
    check_head(at, given)
    if not at.repository.allow_auto_merge:
        raise unprocessable("Auto merge is not allowed for this repository")
    if not merging.obstacle_to(at.repository, at.issue, at.pull):
        raise unprocessable("Pull request is in clean status")
    at.pull.auto_merge = AutoMerge(
        token=desk.caller(),
        method=given["mergeMethod"].lower(),
        enabled_at=desk.store.clock.now(),
        title=given.get("commitHeadline"),
        text=given.get("commitBody"),
    )
    return {"pullRequest": at, "actor": actor(desk, desk.caller().user)}


def enqueue(desk: Desk, given: Input) -> Payload:
    at = pull_of(desk, given["pullRequestId"], permission=CONTENTS)
    check_head(at, given)
    rules = rules_of(at.repository, at.pull.base)
    if not any(rule.type == "merge_queue" for rule in rules):
        raise unprocessable("Merge queue is not enabled on this branch")
    entry = QueueEntry(
        id=desk.store.new_id(), token=desk.caller(), enqueued_at=desk.store.clock.now()
    )
    at.pull.queue_entry = entry
    return {"mergeQueueEntry": EntryAt(at=at, entry=entry)}


def merge_pull(desk: Desk, given: Input) -> Payload:
    at = pull_of(desk, given["pullRequestId"], permission=CONTENTS)
    wish = Wish(
        method=given["mergeMethod"].lower(),
        head=given.get("expectedHeadOid"),
        title=given.get("commitHeadline"),
        text=given.get("commitBody"),
    )
    merging.merge(
        desk.store, at.repository, issue=at.issue, pull=at.pull, token=desk.caller(), wish=wish
    )
    return {"pullRequest": at, "actor": actor(desk, desk.caller().user)}


MUTATIONS: dict[str, Callable[[Desk, Input], Payload]] = {
    "addBlockedBy": add_blocked_by,
    "addComment": add_comment,
    "addLabelsToLabelable": add_labels,
    "addSubIssue": add_sub_issue,
    "closeIssue": close_issue,
    "createCommitOnBranch": create_commit,
    "createIssue": create_issue,
    "enablePullRequestAutoMerge": enable_auto_merge,
    "enqueuePullRequest": enqueue,
    "mergePullRequest": merge_pull,
    "removeBlockedBy": remove_blocked_by,
    "removeLabelsFromLabelable": remove_labels,
    "removeSubIssue": remove_sub_issue,
    "reopenIssue": reopen_issue,
    "updateIssue": update_issue,
    "updateIssueComment": update_comment,
    "updateRefs": update_refs,
}
