"""Handles pull requests: open, read, edit, review."""

from __future__ import annotations

from tests.github import merging, tracker
from tests.github.exchange import Object, Response, check_body, refuse, wrong_field
from tests.github.people import Level, Permission
from tests.github.rest.call import Call
from tests.github.rest.contents import show_commit, show_files
from tests.github.rest.routes import route
from tests.github.state import Issue, Pull, Review
from tests.github.views import pulls as view

REVIEW_STATES = {
    "APPROVE": "APPROVED",
    "REQUEST_CHANGES": "CHANGES_REQUESTED",
    "COMMENT": "COMMENTED",
}


def answer(call: Call, issue: Issue, pull: Pull, *, status: int = 200) -> Response:
    can = merging.mergeable(call.repository, issue, pull)
    body = view.pull(call.store, call.repository, issue=issue, pull=pull, mergeable=can)
    return Response(status=status, body=body)


@route("POST", "/pulls")
def create(call: Call) -> Response:
    assert call.token
    call.limits.spend_content(call.token)
    check_body(call.body.get("body"), resource="PullRequest")
    if "title" not in call.body:
        raise wrong_field("PullRequest", "title", code="missing_field")
    given = merging.Proposal(
        title=call.body["title"],
        body=call.body.get("body"),
        head=call.body["head"],
        base=call.body["base"],
        draft=bool(call.body.get("draft")),
    )
    issue = merging.open_pull(call.store, call.repository, token=call.token, given=given)
    assert issue.pull
    return answer(call, issue, issue.pull, status=201)


@route("GET", "/pulls/{pull_number}")
def read(call: Call) -> Response:
    return answer(call, *call.pull())


@route("GET", "/pulls")
def index(call: Call) -> Response:
    query = call.request.query
    state = query.get("state", "open")
    owner, _, head = query.get("head", "").rpartition(":")
    found = [
        (issue, pull)
        for issue, pull in call.repository.pulls()
        if state in {"all", issue.state}
        and head in {"", pull.head}
        and owner in {"", (pull.fork or call.repository).owner.login}
        and query.get("base", pull.base) == pull.base
    ]
    oldest_first = query.get("direction") == "asc"
    known = set(map(id, call.store.listed([issue for issue, _ in found])))
    shown = [pair for pair in found if id(pair[0]) in known]
    shown.sort(key=lambda pair: pair[0].number, reverse=not oldest_first)
    return call.page(shown, lambda pair: show(call, *pair))


def show(call: Call, issue: Issue, pull: Pull) -> Object:
    return view.simple_pull(call.store, call.repository, issue=issue, pull=pull)


@route("PATCH", "/pulls/{pull_number}")
def edit(call: Call) -> Response:
    issue, pull = call.pull()
    if issue.user != call.user and not call.may(Permission.PULL_REQUESTS, Level.WRITE):
        raise refuse(403, "Must have admin rights to Repository.")
    check_body(call.body.get("body"), resource="PullRequest")
    issue.title = call.body.get("title", issue.title)
    issue.body = call.body.get("body", issue.body)
    if state := call.body.get("state"):
        set_state(call, issue, pull, state=state)
    if base := call.body.get("base"):
        commit = call.bare.branch(base)
        if commit is None:
            raise wrong_field("PullRequest", "base")
        pull.base, pull.base_commit = base, commit
    issue.updated_at = call.store.clock.now()
    return answer(call, issue, pull)


def set_state(call: Call, issue: Issue, pull: Pull, *, state: str) -> None:
    if state == "open" and (pull.merged_at or not call.bare.branch(pull.head)):
        raise wrong_field("PullRequest", "state", message="state cannot be changed.")
    now = call.store.clock.now()
    tracker.set_state(issue, state, reason=None, user=call.user, now=now)


@route("GET", "/pulls/{pull_number}/commits")
def commits(call: Call) -> Response:
    _, pull = call.pull()
    found = call.bare.commits(pull.head_commit, f"^{pull.base_commit}")
    return call.page(found[::-1], lambda sha: show_commit(call, sha))


@route("GET", "/pulls/{pull_number}/files")
def files(call: Call) -> Response:
    _, pull = call.pull()
    start = call.bare.merge_base(pull.base_commit, pull.head_commit) or pull.base_commit
    return call.page(show_files(call, start, pull.head_commit), lambda one: one)


@route("GET", "/pulls/{pull_number}/reviews")
def reviews(call: Call) -> Response:
    issue, pull = call.pull()
    return call.page(pull.reviews, lambda one: show_review(call, issue, one))


def show_review(call: Call, issue: Issue, one: Review) -> Object:
    return view.review(call.store, call.repository, issue=issue, one=one)


@route("POST", "/pulls/{pull_number}/reviews")
def review(call: Call) -> Response:
    issue, pull = call.pull()
    event = call.body.get("event")
    if event == "APPROVE" and issue.user == call.user:
        raise refuse(422, "Unprocessable Entity", errors=["Can not approve your own pull request"])
    done = Review(
        id=call.store.new_id(),
        user=call.user,
        body=call.body.get("body") or "",
        state=REVIEW_STATES[event] if event else "PENDING",
        commit=call.body.get("commit_id", pull.head_commit),
        submitted_at=call.store.clock.now(),
    )
    pull.reviews.append(done)
    return Response(body=show_review(call, issue, done))


@route("GET", "/pulls/{pull_number}/requested_reviewers")
def requested(call: Call) -> Response:
    return Response(body=view.reviewers(call.store, call.pull()[1].requested_reviewers))


@route("POST", "/pulls/{pull_number}/requested_reviewers")
def request(call: Call) -> Response:
    issue, pull = call.pull()
    for login in call.body.get("reviewers") or []:
        user = call.store.user(login)
        if user is None or call.repository.role(user).rank < 1 or user == issue.user:
            message = "Reviews may only be requested from collaborators."
            raise refuse(422, f"{message} One or more of the users is not a collaborator.")
        if user not in pull.requested_reviewers:
            pull.requested_reviewers.append(user)
    return Response(status=201, body=show(call, issue, pull))


@route("DELETE", "/pulls/{pull_number}/requested_reviewers")
def withdraw(call: Call) -> Response:
    issue, pull = call.pull()
    gone = {login.lower() for login in call.body.get("reviewers") or []}
    kept = [user for user in pull.requested_reviewers if user.login.lower() not in gone]
    pull.requested_reviewers = kept
    return Response(body=show(call, issue, pull))
