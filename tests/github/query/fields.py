"""Maps types and fields to their readers. Fields of dictionaries are their keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.github.clock import stamp
from tests.github.query import reading
from tests.github.query.sources import CommitAt, IssueAt
from tests.github.store import node_id
from tests.github.views import commits, issues

Field = Callable[..., Any]

ISSUE_OR_PULL: dict[str, Field] = {
    "id": lambda at, _: issues.issue_node(at.issue),
    "author": lambda at, desk: reading.actor(desk, at.issue.user),
    "body": lambda at, _: at.issue.body or "",
    "closed": lambda at, _: at.issue.state == "closed",
    "labels": reading.labels_of,
    "number": lambda at, _: at.issue.number,
    "repository": lambda at, _: at.repository,
    "title": lambda at, _: at.issue.title,
    "updatedAt": lambda at, _: stamp(at.issue.updated_at),
    "url": lambda at, desk: issues.html_url(desk.store, at.repository, at.issue),
}

FIELDS: dict[str, dict[str, Field]] = {
    "Query": {
        "node": lambda _, desk, **args: desk.find(args["id"]),
        "nodes": reading.find_nodes,
        "rateLimit": reading.rate_limit,
        "repository": reading.find_repository,
        "user": reading.find_user,
        "viewer": reading.viewer,
    },
    "Repository": {
        "autoMergeAllowed": lambda at, _: at.allow_auto_merge,
        "databaseId": lambda at, _: reading.whole(at.id),
        "defaultBranchRef": lambda at, _: reading.ref_at(at, at.default_branch),
        "hasIssuesEnabled": lambda at, _: at.has_issues,
        "id": lambda at, _: node_id("R", at.id),
        "isPrivate": lambda at, _: at.private,
        "issue": reading.issue_numbered,
        "issues": reading.issues_of,
        "label": reading.label_named,
        "labels": reading.labels_of,
        "name": lambda at, _: at.name,
        "nameWithOwner": lambda at, _: at.full_name,
        "object": reading.object_at,
        "pullRequest": reading.pull_numbered,
        "pullRequests": reading.pulls_of,
        "ref": lambda at, _, **args: reading.ref_at(at, args["qualifiedName"]),
        "viewerPermission": reading.viewer_permission,
    },
    "Label": {
        "id": lambda at, _: node_id("LA", at.label.id),
        "name": lambda at, _: at.label.name,
        "color": lambda at, _: at.label.color,
        "description": lambda at, _: at.label.description,
    },
    "Issue": ISSUE_OR_PULL
    | {
        "blockedBy": lambda at, desk, **args: reading.related(
            desk, at.issue.blocked_by, name="blockedBy", args=args
        ),
        "blocking": reading.blocking,
        "closedAt": lambda at, _: reading.moment(at.issue.closed_at),
        "comments": reading.comments_of,
        "createdAt": lambda at, _: stamp(at.issue.created_at),
        "databaseId": lambda at, _: reading.whole(at.issue.id),
        "fullDatabaseId": lambda at, _: str(at.issue.id),
        "locked": lambda at, _: at.issue.locked,
        "parent": reading.parent,
        "state": lambda at, _: at.issue.state.upper(),
        "stateReason": lambda at, _: reading.reason(at.issue),
        "subIssues": lambda at, desk, **args: reading.related(
            desk, at.issue.children, name="subIssues", args=args
        ),
        "subIssuesSummary": reading.children_summary,
    },
    "IssueComment": {
        "author": lambda at, desk: reading.actor(desk, at.comment.user),
        "body": lambda at, _: at.comment.body,
        "createdAt": lambda at, _: stamp(at.comment.created_at),
        "databaseId": lambda at, _: reading.whole(at.comment.id),
        "fullDatabaseId": lambda at, _: str(at.comment.id),
        "id": lambda at, _: node_id("IC", at.comment.id),
        "issue": lambda at, _: IssueAt(repository=at.repository, issue=at.issue),
        "updatedAt": lambda at, _: stamp(at.comment.updated_at),
        "url": lambda at, desk: issues.comment(
            desk.store, at.repository, issue=at.issue, one=at.comment
        )["html_url"],
    },
    "PullRequest": ISSUE_OR_PULL
    | {
        "autoMergeRequest": reading.auto_merge,
        "baseRefName": lambda at, _: at.pull.base,
        "baseRefOid": lambda at, _: at.pull.base_commit,
        "databaseId": lambda at, _: reading.whole(at.pull.id),
        "fullDatabaseId": lambda at, _: str(at.pull.id),
        "headRefName": lambda at, _: at.pull.head,
        "headRefOid": lambda at, _: at.pull.head_commit,
        "isDraft": lambda at, _: at.pull.draft,
        "isInMergeQueue": lambda at, _: at.pull.queue_entry is not None,
        "mergeCommit": reading.merge_commit,
        "mergeQueueEntry": reading.queue_entry,
        "mergeable": reading.mergeable,
        "merged": lambda at, _: at.pull.merged_at is not None,
        "mergedAt": lambda at, _: reading.moment(at.pull.merged_at),
        "reviewDecision": reading.review_decision,
        "mergedBy": lambda at, desk: at.pull.merged_by and reading.actor(desk, at.pull.merged_by),
        "state": lambda at, _: reading.pull_state(at),
    },
    "MergeQueueEntry": {
        "enqueuedAt": lambda at, _: stamp(at.entry.enqueued_at),
        "enqueuer": lambda at, desk: reading.actor(desk, at.entry.token.user),
        "id": lambda at, _: node_id("MQE", at.entry.id),
        "position": lambda _, __: 1,
        "pullRequest": lambda at, _: at.at,
        "state": lambda _, __: "QUEUED",
    },
    "Ref": {
        "id": lambda at, _: node_id("REF", at.repository.id) + at.name,
        "name": lambda at, _: at.name.removeprefix("refs/heads/"),
        "prefix": lambda _, __: "refs/heads/",
        "target": lambda at, _: CommitAt(repository=at.repository, sha=at.commit),
    },
    "Commit": {
        "committedDate": lambda at, _: reading.date_of(at),
        "id": lambda at, _: commits.commit_node(at.repository, at.sha),
        "message": lambda at, _: reading.message_of(at),
        "messageHeadline": lambda at, _: reading.title_of(at),
        "oid": lambda at, _: at.sha,
        "url": lambda at, desk: commits.html_url(desk.store, at.repository, at.sha),
    },
    "Blob": {
        "byteSize": lambda at, _: len(reading.blob_of(at)),
        "id": lambda at, _: node_id("B", at.repository.id) + at.sha,
        "isBinary": lambda at, _: b"\0" in reading.blob_of(at),
        "oid": lambda at, _: at.sha,
        "text": lambda at, _: reading.blob_of(at).decode(errors="replace"),
    },
}
