"""Handles comments and reactions."""

from __future__ import annotations

from tests.github import tracker
from tests.github.exchange import Object, Response, not_found, refuse
from tests.github.people import Level, Permission
from tests.github.rest.call import Call
from tests.github.rest.issues import read_moment
from tests.github.rest.routes import route
from tests.github.state import Comment, Issue, Reaction
from tests.github.views import issues as view
from tests.github.views import people


def show(call: Call, issue: Issue, comment: Comment) -> Object:
    return view.comment(call.store, call.repository, issue=issue, one=comment)


@route("POST", "/issues/{issue_number}/comments")
def create(call: Call) -> Response:
    assert call.token
    issue = call.issue()
    call.limits.spend_content(call.token)
    comment = tracker.add_comment(
        call.store, call.repository, issue=issue, token=call.token, body=call.body["body"]
    )
    return Response(status=201, body=show(call, issue, comment))


def shown(call: Call, comments: list[Comment]) -> list[Comment]:
    since = read_moment(call, "since")
    listed = call.store.listed(comments)
    return [comment for comment in listed if since is None or comment.updated_at >= since]


@route("GET", "/issues/{issue_number}/comments")
def of_issue(call: Call) -> Response:
    issue = call.issue()
    return call.page(shown(call, issue.comments), lambda comment: show(call, issue, comment))


@route("GET", "/issues/comments")
def of_repository(call: Call) -> Response:
    issues = call.repository.issues.values()
    found = [(issue, comment) for issue in issues for comment in shown(call, issue.comments)]
    key = "updated_at" if call.request.query.get("sort") == "updated" else "created_at"
    newest_first = call.request.query.get("direction") == "desc"
    found.sort(key=lambda pair: (getattr(pair[1], key), pair[1].id), reverse=newest_first)
    return call.page(found, lambda pair: show(call, *pair))


def named(call: Call) -> tuple[Issue, Comment]:
    found = call.store.find_comment(call.number("comment_id"))
    if found is None or found[0] is not call.repository:
        raise not_found()
    return found[1], found[2]


@route("GET", "/issues/comments/{comment_id}")
def read(call: Call) -> Response:
    return Response(body=show(call, *named(call)))


def check_author(call: Call, comment: Comment) -> None:
    if comment.user != call.user and not call.may(Permission.ISSUES, Level.WRITE):
        raise refuse(403, "Must have admin rights to Repository.")


@route("PATCH", "/issues/comments/{comment_id}")
def edit(call: Call) -> Response:
    issue, comment = named(call)
    check_author(call, comment)
    tracker.edit_comment(call.store, comment, body=call.body["body"])
    return Response(body=show(call, issue, comment))


@route("DELETE", "/issues/comments/{comment_id}")
def delete(call: Call) -> Response:
    issue, comment = named(call)
    check_author(call, comment)
    issue.comments.remove(comment)
    return Response(status=204)


def react(call: Call, reactions: list[Reaction]) -> Response:
    content = call.body["content"]
    reaction, is_new = tracker.react(call.store, reactions, user=call.user, content=content)
    return Response(status=201 if is_new else 200, body=people.reaction(call.store, reaction))


def list_reactions(call: Call, reactions: list[Reaction]) -> Response:
    content = call.request.query.get("content")
    found = [one for one in reactions if content in {None, one.content}]
    return call.page(found, lambda one: people.reaction(call.store, one))


@route("POST", "/issues/{issue_number}/reactions")
def react_to_issue(call: Call) -> Response:
    return react(call, call.issue().reactions)


@route("GET", "/issues/{issue_number}/reactions")
def reactions_of_issue(call: Call) -> Response:
    return list_reactions(call, call.issue().reactions)


@route("POST", "/issues/comments/{comment_id}/reactions")
def react_to_comment(call: Call) -> Response:
    return react(call, named(call)[1].reactions)


@route("GET", "/issues/comments/{comment_id}/reactions")
def reactions_of_comment(call: Call) -> Response:
    return list_reactions(call, named(call)[1].reactions)
