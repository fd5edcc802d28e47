"""Handles issues: open, read, edit, list, lock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tests.github import tracker
from tests.github.exchange import Response, check_body, refuse
from tests.github.people import Level, Permission, User
from tests.github.rest.call import Call
from tests.github.rest.routes import route
from tests.github.state import Issue, Label
from tests.github.views import issues as view


def answer(call: Call, issue: Issue, *, status: int = 200) -> Response:
    return Response(status=status, body=view.issue(call.store, call.repository, issue))


@route("POST", "/issues")
def create(call: Call) -> Response:
    assert call.token
    call.limits.spend_content(call.token)
    issue = tracker.open_issue(
        call.store,
        call.repository,
        token=call.token,
        title=str(call.body["title"]),
        body=call.body.get("body"),
        labels=wanted_labels(call) if may_label(call) else (),
        assignees=wanted_assignees(call),
    )
    return answer(call, issue, status=201)


def may_label(call: Call) -> bool:
    return call.may(Permission.ISSUES, Level.TRIAGE)


def wanted_labels(call: Call) -> list[Label]:
    names = [one if isinstance(one, str) else one["name"] for one in call.body.get("labels") or []]
    return [tracker.find_or_make_label(call.store, call.repository, name) for name in names]


def wanted_assignees(call: Call) -> list[User]:
    """Return the requested assignees, without those that cannot be assigned."""
    logins = [*(call.body.get("assignees") or [])]
    if call.body.get("assignee"):
        logins.append(call.body["assignee"])
    users = [user for login in logins if (user := call.store.user(login))]
    return [user for user in users if call.repository.role(user).rank > 1]


@route("GET", "/issues/{issue_number}")
def read(call: Call) -> Response:
    return answer(call, call.issue())


@route("PATCH", "/issues/{issue_number}")
def edit(call: Call) -> Response:
    """Edit an issue, which its author may do too.

    Labels and assignees are dropped without triage permission.
    """
    issue = call.issue()
    if issue.user != call.user and not may_label(call):
        raise refuse(403, "Must have admin rights to Repository.")
    if "title" in call.body:
        tracker.check_title(str(call.body["title"]))
        issue.title = str(call.body["title"])
    if "body" in call.body:
        check_body(call.body["body"], resource="Issue")
        issue.body = call.body["body"]
    if may_label(call):
        edit_people_and_labels(call, issue)
    now = call.store.clock.now()
    if state := call.body.get("state"):
        reason = call.body.get("state_reason")
        tracker.set_state(issue, state, reason=reason, user=call.user, now=now)
    issue.updated_at = now
    return answer(call, issue)


def edit_people_and_labels(call: Call, issue: Issue) -> None:
    if "labels" in call.body:
        issue.labels = [label.id for label in wanted_labels(call)]
    if {"assignee", "assignees"} & call.body.keys():
        issue.assignees = wanted_assignees(call)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """The filter of a list of issues, which includes pull requests."""

    state: str
    labels: frozenset[str]
    since: datetime | None
    creator: str | None
    assignee: str | None

    def keeps(self, call: Call, issue: Issue) -> bool:
        has = {label.name.lower() for label in call.repository.labels_of(issue)}
        assigned = {user.login.lower() for user in issue.assignees}
        return (
            self.state in {"all", issue.state}
            and self.labels <= has
            and (self.since is None or issue.updated_at >= self.since)
            and self.creator in {None, issue.user.login.lower()}
            and (self.assignee in {None, "*"} or self.assignee in assigned)
        )


def read_filter(call: Call) -> Filter:
    query = call.request.query
    names = [name.strip().lower() for name in query.get("labels", "").split(",")]
    return Filter(
        state=query.get("state", "open"),
        labels=frozenset(filter(None, names)),
        since=read_moment(call, "since"),
        creator=query["creator"].lower() if "creator" in query else None,
        assignee=query["assignee"].lower() if "assignee" in query else None,
    )


def read_moment(call: Call, name: str) -> datetime | None:
    text = call.request.query.get(name)
    return datetime.fromisoformat(text) if text else None


@route("GET", "/issues")
def index(call: Call) -> Response:
    if not call.repository.has_issues:
        raise refuse(410, "Issues has been disabled in this repository.")
    wanted = read_filter(call)
    found = [issue for issue in call.repository.issues.values() if wanted.keeps(call, issue)]
    newest_first = call.request.query.get("direction", "desc") == "desc"
    sort = call.request.query.get("sort", "created")
    found.sort(key=lambda issue: order(issue, sort), reverse=newest_first)
    listed = call.store.listed(found)
    return call.page(listed, lambda issue: view.issue(call.store, call.repository, issue))


def order(issue: Issue, sort: str) -> tuple[object, int]:
    keys: dict[str, object] = {"updated": issue.updated_at, "comments": len(issue.comments)}
    return keys.get(sort, issue.created_at), issue.number


@route("PUT", "/issues/{issue_number}/lock")
def lock(call: Call) -> Response:
    issue = call.issue()
    issue.locked, issue.lock_reason = True, call.body.get("lock_reason")
    return Response(status=204)


@route("DELETE", "/issues/{issue_number}/lock")
def unlock(call: Call) -> Response:
    issue = call.issue()
    issue.locked, issue.lock_reason = False, None
    return Response(status=204)
