"""Renders pull requests, reviews, statuses and checks as JSON."""

from __future__ import annotations

from typing import Any

from tests.github.bare import Bare
from tests.github.clock import stamp
from tests.github.exchange import Object
from tests.github.people import User
from tests.github.state import (
    AutoMerge,
    CheckRun,
    Issue,
    MergeRequest,
    Pull,
    Repository,
    Review,
    Status,
)
from tests.github.store import Store, node_id
from tests.github.views import issues, people


def simple_pull(store: Store, repository: Repository, *, issue: Issue, pull: Pull) -> Object:
    """Return a pull request as lists show it."""
    shown = issues.issue(store, repository, issue)
    api = people.repository_url(store, repository)
    url = f"{api}/pulls/{issue.number}"
    kept = """html_url number state locked title user body labels milestone active_lock_reason
        created_at updated_at closed_at assignee assignees author_association node_id""".split()
    reviewers = [people.simple_user(store, user) for user in pull.requested_reviewers]
    links = _urls(store, repository, issue=issue, pull=pull)
    return (
        {key: shown[key] for key in kept}
        | links
        | {
            "id": pull.id,
            "url": url,
            "draft": pull.draft,
            "merged_at": stamp(pull.merged_at) if pull.merged_at else None,
            "merge_commit_sha": pull.merge_commit,
            "requested_reviewers": reviewers,
            "requested_teams": [],
            "head": _side(
                store, pull.fork or repository, branch=pull.head, commit=pull.head_commit
            ),
            "base": _side(store, repository, branch=pull.base, commit=pull.base_commit),
            "auto_merge": _auto_merge(store, pull.auto_merge),
            "_links": {
                "self": {"href": url},
                "html": {"href": shown["html_url"]},
                "issue": {"href": links["issue_url"]},
                "comments": {"href": links["comments_url"]},
                "commits": {"href": links["commits_url"]},
                "statuses": {"href": links["statuses_url"]},
                "review_comments": {"href": links["review_comments_url"]},
                "review_comment": {"href": links["review_comment_url"]},
            },
        }
    )


def _urls(store: Store, repository: Repository, *, issue: Issue, pull: Pull) -> Object:
    page = issues.html_url(store, repository, issue)
    api = people.repository_url(store, repository)
    url = f"{api}/pulls/{issue.number}"
    return {
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        "issue_url": f"{api}/issues/{issue.number}",
        "commits_url": f"{url}/commits",
        "review_comments_url": f"{url}/comments",
        "review_comment_url": f"{api}/pulls/comments{{/number}}",
        "comments_url": f"{api}/issues/{issue.number}/comments",
        "statuses_url": f"{api}/statuses/{pull.head_commit}",
    }


def _side(store: Store, repository: Repository, *, branch: str, commit: str) -> Object:
    return {
        "label": f"{repository.owner.login}:{branch}",
        "ref": branch,
        "sha": commit,
        "user": people.simple_user(store, repository.owner),
        "repo": people.repository(store, repository),
    }


def _auto_merge(store: Store, one: AutoMerge | None) -> Object | None:
    if one is None:
        return None
    return {
        "enabled_by": people.simple_user(store, one.token.user),
        "merge_method": one.method,
        "commit_title": one.title or "",
        "commit_message": one.text or "",
    }


def pull(
    store: Store, repository: Repository, *, issue: Issue, pull: Pull, mergeable: bool | None
) -> Object:
    """Return a pull request by itself; `mergeable` is None while GitHub computes it."""
    bare = Bare(repository.folder)
    changes = bare.changes(*_ends(bare, pull))
    state = {None: "unknown", True: "clean", False: "dirty"}[mergeable]
    return simple_pull(store, repository, issue=issue, pull=pull) | {
        "merged": pull.merged_at is not None,
        "merged_by": people.simple_user(store, pull.merged_by) if pull.merged_by else None,
        "mergeable": mergeable,
        "rebaseable": mergeable,
        "mergeable_state": "draft" if pull.draft and mergeable else state,
        "maintainer_can_modify": False,
        "comments": len(issue.comments),
        "review_comments": 0,
        "commits": bare.count(pull.base_commit, pull.head_commit),
        "additions": sum(change.additions for change in changes),
        "deletions": sum(change.deletions for change in changes),
        "changed_files": len(changes),
    }


def _ends(bare: Bare, one: Pull) -> tuple[str, str]:
    start = bare.merge_base(one.base_commit, one.head_commit) or one.base_commit
    return start, one.head_commit


def review(store: Store, repository: Repository, *, issue: Issue, one: Review) -> Object:
    page = f"{issues.html_url(store, repository, issue)}#pullrequestreview-{one.id}"
    url = f"{people.repository_url(store, repository)}/pulls/{issue.number}"
    return {
        "id": one.id,
        "node_id": node_id("PRR", one.id),
        "user": people.simple_user(store, one.user),
        "body": one.body,
        "state": one.state,
        "html_url": page,
        "pull_request_url": url,
        "author_association": people.association(repository, one.user),
        "_links": {"html": {"href": page}, "pull_request": {"href": url}},
        "submitted_at": stamp(one.submitted_at),
        "commit_id": one.commit,
    }


def reviewers(store: Store, users: list[User]) -> Object:
    return {"users": [people.simple_user(store, user) for user in users], "teams": []}


def merge_request(one: MergeRequest) -> Object:
    return {"status": one.status, "details": _merge_details(one)}


def _merge_details(one: MergeRequest) -> Object:
    match one.status:
        case "merged":
            return {"message": one.message, "sha": one.commit}
        case "failed":
            return {"message": one.message}
        case _:
            return {
                "message": one.message,
                "uuid": one.uuid,
                "merge_method": one.method,
                "merge_action": one.action,
                "expected_head_sha": one.head,
            }


def status(store: Store, repository: Repository, one: Status) -> Object:
    return simple_status(store, repository, one) | {
        "creator": people.simple_user(store, one.creator)
    }


def simple_status(store: Store, repository: Repository, one: Status) -> Object:
    return {
        "url": f"{people.repository_url(store, repository)}/statuses/{one.commit}",
        "avatar_url": f"{store.url}/avatars/{one.creator.id}",
        "id": one.id,
        "node_id": node_id("SC", one.id),
        "state": one.state,
        "description": one.description,
        "target_url": one.target_url,
        "context": one.context,
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.created_at),
    }


def check_run(store: Store, repository: Repository, one: CheckRun) -> Object:
    url = f"{people.repository_url(store, repository)}/check-runs/{one.id}"
    output: dict[str, Any] = dict.fromkeys(("title", "summary", "text")) | one.output
    count = len(output.pop("annotations", []))
    output |= {"annotations_count": count, "annotations_url": f"{url}/annotations"}
    return {
        "id": one.id,
        "node_id": node_id("CR", one.id),
        "head_sha": one.commit,
        "external_id": one.external_id,
        "name": one.name,
        "url": url,
        "html_url": f"{store.url}/{repository.full_name}/runs/{one.id}",
        "details_url": one.details_url,
        "status": one.status,
        "conclusion": one.conclusion,
        "started_at": stamp(one.started_at) if one.started_at else None,
        "completed_at": stamp(one.completed_at) if one.completed_at else None,
        "output": output,
        "check_suite": {"id": one.app.id},
        "app": people.app(store, one.app),
        "pull_requests": [],
    }
