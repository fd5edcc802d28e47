"""Handles merges: synchronous, asynchronous, and of the base into the head."""

from __future__ import annotations

import uuid

from tests.github import merging
from tests.github.exchange import Object, Refused, Response, not_found
from tests.github.merging import Wish
from tests.github.rest.call import Call
from tests.github.rest.routes import route
from tests.github.state import MergeRequest, Repository
from tests.github.store import Store
from tests.github.views import people
from tests.github.views import pulls as view

ENDED = frozenset({"merged", "enqueued", "failed"})


@route("GET", "/pulls/{pull_number}/merge")
def is_merged(call: Call) -> Response:
    if call.pull()[1].merged_at is None:
        raise not_found()
    return Response(status=204)


def options(call: Call) -> Object:
    """Return the request's body, which is optional."""
    body: Object = call.request.json() or {}
    return body


@route("PUT", "/pulls/{pull_number}/merge")
def merge(call: Call) -> Response:
    assert call.token
    issue, pull = call.pull()
    given = options(call)
    wish = Wish(
        method=given.get("merge_method", "merge"),
        head=given.get("sha"),
        title=given.get("commit_title"),
        text=given.get("commit_message"),
    )
    commit = merging.merge(
        call.store, call.repository, issue=issue, pull=pull, token=call.token, wish=wish
    )
    return Response(
        body={"sha": commit, "merged": True, "message": "Pull Request successfully merged"}
    )


@route("PUT", "/pulls/{pull_number}/merge-async")
def merge_later(call: Call) -> Response:
    """Start an asynchronous merge; 409 with the uuid of another one that is pending."""
    assert call.token
    issue, pull = call.pull()
    waiting = [one for one in call.repository.merge_requests if one.number == issue.number]
    for one in waiting:
        if one.status not in ENDED:
            return Response(status=409, body=view.merge_request(one))
    given = options(call)
    if pull.merged_at:
        details = {"message": "Pull request is already merged.", "sha": pull.merge_commit}
        return Response(body={"status": "merged", "details": details})
    if given.get("sha") not in {None, pull.head_commit}:
        details = {"message": "Head branch was modified. Review and try the merge again."}
        return Response(status=400, body={"status": "failed", "details": details})
    asked = MergeRequest(
        uuid=str(uuid.uuid4()),
        number=issue.number,
        token=call.token,
        head=given.get("sha", pull.head_commit),
        method=given.get("merge_method", "merge"),
        action=given.get("merge_action", "default"),
        title=given.get("commit_title"),
        text=given.get("commit_message"),
        calls_left=call.store.calls_before_merge,
    )
    call.repository.merge_requests.append(asked)
    return Response(status=202, body=view.merge_request(asked))


@route("GET", "/pulls/{pull_number}/merge-async/{uuid}")
def merge_status(call: Call) -> Response:
    issue, _ = call.pull()
    for one in call.repository.merge_requests:
        if (one.uuid, one.number) == (call.params["uuid"], issue.number):
            return Response(body=view.merge_request(one))
    raise not_found()


def settle(store: Store, repository: Repository) -> None:
    """Do the merges that are due; called before each call to the repository."""
    merging.do_what_is_due(store, repository)
    for one in repository.merge_requests:
        if one.status in ENDED:
            continue
        if one.calls_left:
            one.calls_left -= 1
        else:
            perform(store, repository, one)


def perform(store: Store, repository: Repository, one: MergeRequest) -> None:
    issue = repository.issues[one.number]
    assert issue.pull
    if one.action != "direct_merge" and merging.waits_for_queue(repository, issue.pull):
        merging.enqueue(store, issue.pull, one.token)
        one.status, one.message = "enqueued", "Pull request was added to the merge queue."
        return
    wish = Wish(method=one.method, head=one.head, title=one.title, text=one.text)
    try:
        one.commit = merging.merge(
            store, repository, issue=issue, pull=issue.pull, token=one.token, wish=wish
        )
    except Refused as refused:
        one.status, one.message = "failed", str(refused)
    else:
        one.status, one.message = "merged", "Pull request was merged."


@route("PUT", "/pulls/{pull_number}/update-branch")
def update_branch(call: Call) -> Response:
    assert call.token
    issue, pull = call.pull()
    merging.update_branch(
        call.store,
        call.repository,
        pull=pull,
        token=call.token,
        expected=options(call).get("expected_head_sha"),
    )
    url = f"{people.repository_url(call.store, call.repository)}/pulls/{issue.number}"
    return Response(status=202, body={"message": "Updating pull request branch.", "url": url})
