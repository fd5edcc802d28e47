"""Renders issues, labels and comments as JSON."""

from __future__ import annotations

from tests.github.clock import stamp
from tests.github.exchange import Object
from tests.github.state import Comment, Issue, Label, Repository
from tests.github.store import Store, node_id
from tests.github.views import people


def issue_node(one: Issue) -> str:
    """Return the node id; a pull request has the same one in all views."""
    return node_id("PR", one.pull.id) if one.pull else node_id("I", one.id)


def html_url(store: Store, repository: Repository, one: Issue) -> str:
    return f"{store.url}/{repository.full_name}/{'pull' if one.pull else 'issues'}/{one.number}"


def label(store: Store, repository: Repository, one: Label) -> Object:
    return {
        "id": one.id,
        "node_id": node_id("LA", one.id),
        "url": f"{people.repository_url(store, repository)}/labels/{one.name}",
        "name": one.name,
        "color": one.color,
        "default": False,
        "description": one.description,
    }


def comment(store: Store, repository: Repository, *, issue: Issue, one: Comment) -> Object:
    api = people.repository_url(store, repository)
    url = f"{api}/issues/comments/{one.id}"
    return {
        "id": one.id,
        "node_id": node_id("IC", one.id),
        "url": url,
        "html_url": f"{html_url(store, repository, issue)}#issuecomment-{one.id}",
        "issue_url": f"{api}/issues/{issue.number}",
        "user": people.simple_user(store, one.user),
        "body": one.body,
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.updated_at),
        "author_association": people.association(repository, one.user),
        "performed_via_github_app": people.app(store, one.app),
        "reactions": people.reaction_rollup(url, one.reactions),
    }


def issue(store: Store, repository: Repository, one: Issue) -> Object:
    api = people.repository_url(store, repository)
    url = f"{api}/issues/{one.number}"
    assignees = [people.simple_user(store, user) for user in one.assignees]
    shown = {
        "id": one.id,
        "node_id": issue_node(one),
        "url": url,
        "repository_url": api,
        "labels_url": f"{url}/labels{{/name}}",
        "comments_url": f"{url}/comments",
        "events_url": f"{url}/events",
        "timeline_url": f"{url}/timeline",
        "html_url": html_url(store, repository, one),
        "number": one.number,
        "title": one.title,
        "body": one.body,
        "user": people.simple_user(store, one.user),
        "author_association": people.association(repository, one.user),
        "performed_via_github_app": people.app(store, one.app),
        "labels": [label(store, repository, has) for has in repository.labels_of(one)],
        "assignee": assignees[0] if assignees else None,
        "assignees": assignees,
        "milestone": None,
        "comments": len(one.comments),
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.updated_at),
        "reactions": people.reaction_rollup(url, one.reactions),
    }
    return shown | _condition(store, one) | _relations(store, repository, one)


def _condition(store: Store, one: Issue) -> Object:
    return {
        "state": one.state,
        "state_reason": one.state_reason,
        "locked": one.locked,
        "active_lock_reason": one.lock_reason,
        "closed_at": stamp(one.closed_at) if one.closed_at else None,
        "closed_by": people.simple_user(store, one.closed_by) if one.closed_by else None,
    }


def _relations(store: Store, repository: Repository, one: Issue) -> Object:
    if one.pull:
        return {"draft": one.pull.draft, "pull_request": _pull_links(store, repository, one)}
    parent = store.find_issue(one.parent) if one.parent else None
    relations: Object = {
        "sub_issues_summary": children_summary(store, one),
        "issue_dependencies_summary": dependencies_summary(store, one),
    }
    if parent:
        home, issue = parent
        url = f"{people.repository_url(store, home)}/issues/{issue.number}"
        relations["parent_issue_url"] = url
    return relations


def _pull_links(store: Store, repository: Repository, one: Issue) -> Object:
    url = html_url(store, repository, one)
    merged_at = one.pull.merged_at if one.pull else None
    return {
        "url": f"{people.repository_url(store, repository)}/pulls/{one.number}",
        "html_url": url,
        "diff_url": f"{url}.diff",
        "patch_url": f"{url}.patch",
        "merged_at": stamp(merged_at) if merged_at else None,
    }


def children_summary(store: Store, one: Issue) -> Object:
    children = [found[1] for found in map(store.find_issue, one.children) if found]
    completed = sum(child.state == "closed" for child in children)
    percent = 100 * completed // len(children) if children else 0
    return {"total": len(children), "completed": completed, "percent_completed": percent}


def dependencies_summary(store: Store, one: Issue) -> Object:
    blockers = [found[1] for found in map(store.find_issue, one.blocked_by) if found]
    blocked = blocking(store, one)
    return {
        "blocked_by": sum(issue.state == "open" for issue in blockers),
        "total_blocked_by": len(blockers),
        "blocking": sum(issue.state == "open" for _, issue in blocked),
        "total_blocking": len(blocked),
    }


def blocking(store: Store, one: Issue) -> list[tuple[Repository, Issue]]:
    return [
        (repository, issue)
        for repository in store.repositories.values()
        for issue in repository.issues.values()
        if one.id in issue.blocked_by
    ]
