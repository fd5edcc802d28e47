"""Handles sub-issues and dependencies, which are named by database id, not by number."""

from __future__ import annotations

from tests.github import tracker
from tests.github.exchange import Json, Object, Response, custom_error, not_found
from tests.github.permissions import is_visible
from tests.github.rest.call import Call
from tests.github.rest.routes import route
from tests.github.state import Issue, Repository
from tests.github.views import issues as view
from tests.github.views import people


def answer(call: Call, issue: Issue, *, status: int = 200) -> Response:
    return Response(status=status, body=view.issue(call.store, call.repository, issue))


def page_of(call: Call, found: list[tuple[Repository, Issue]]) -> Response:
    seen = [(home, issue) for home, issue in found if is_visible(call.token, home)]
    return call.page(seen, lambda pair: with_home(call, *pair))


def with_home(call: Call, home: Repository, issue: Issue) -> Object:
    """Return the issue with its repository, which may be another one."""
    shown = view.issue(call.store, home, issue)
    return shown | {"repository": people.repository(call.store, home)}


def by_id(call: Call, issue_id: Json) -> Issue:
    """Return an issue of the same owner, by database id. Raises Refused, also for pull requests."""
    found = call.store.find_issue(issue_id)
    if found is None or not is_visible(call.token, found[0]) or found[1].pull:
        raise not_found()
    if found[0].owner != call.repository.owner:
        raise custom_error("SubIssue", "Sub-issue must belong to the same owner")
    return found[1]


def by_ids(call: Call, ids: list[int]) -> list[tuple[Repository, Issue]]:
    return [found for found in map(call.store.find_issue, ids) if found]


@route("POST", "/issues/{issue_number}/sub_issues")
def add_child(call: Call) -> Response:
    parent, child = call.issue(), by_id(call, call.body["sub_issue_id"])
    call.limits.spend_content(call.token)
    replace = bool(call.body.get("replace_parent"))
    tracker.add_child(call.store, parent, child=child, replace=replace)
    return answer(call, parent, status=201)


@route("GET", "/issues/{issue_number}/sub_issues")
def children(call: Call) -> Response:
    return page_of(call, by_ids(call, call.issue().children))


@route("DELETE", "/issues/{issue_number}/sub_issue")
def remove_child(call: Call) -> Response:
    parent, child = call.issue(), by_id(call, call.body["sub_issue_id"])
    if child.parent != parent.id:
        raise not_found()
    tracker.remove_child(call.store, child)
    return answer(call, parent)


@route("GET", "/issues/{issue_number}/parent")
def parent(call: Call) -> Response:
    found = call.store.find_issue(call.issue().parent or 0)
    if found is None:
        raise not_found()
    return Response(body=view.issue(call.store, *found))


@route("POST", "/issues/{issue_number}/dependencies/blocked_by")
def add_blocker(call: Call) -> Response:
    issue, blocker = call.issue(), by_id(call, call.body["issue_id"])
    call.limits.spend_content(call.token)
    tracker.block(call.store, issue, by=blocker)
    return answer(call, issue, status=201)


@route("GET", "/issues/{issue_number}/dependencies/blocked_by")
def blockers(call: Call) -> Response:
    return page_of(call, by_ids(call, call.issue().blocked_by))


@route("DELETE", "/issues/{issue_number}/dependencies/blocked_by/{issue_id}")
def remove_blocker(call: Call) -> Response:
    issue, blocker = call.issue(), by_id(call, call.number("issue_id"))
    if blocker.id not in issue.blocked_by:
        raise not_found()
    issue.blocked_by.remove(blocker.id)
    return answer(call, issue)


@route("GET", "/issues/{issue_number}/dependencies/blocking")
def blocking(call: Call) -> Response:
    return page_of(call, view.blocking(call.store, call.issue()))
