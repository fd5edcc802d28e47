"""Handles writes of git data: refs, blobs, trees and commits."""

from __future__ import annotations

import base64

from tests.github.bare import ZERO, Moved, Person, person
from tests.github.clock import stamp
from tests.github.exchange import Object, Response, not_found, refuse
from tests.github.gatekeeper import Forbidden, Move, check_push
from tests.github.merging import note_push
from tests.github.rest.call import Call
from tests.github.rest.contents import tree_answer
from tests.github.rest.routes import route
from tests.github.views import commits as view


def show_ref(call: Call, name: str, sha: str) -> Object:
    return view.ref(call.store, call.repository, name=name, sha=sha)


def move(call: Call, ref: str, *, old: str, new: str) -> None:
    """Move a ref. Raises Refused if a rule forbids it or the ref has moved meanwhile."""
    assert call.token
    try:
        wanted = Move(ref=ref, old=old, new=new)
        check_push(call.repository, call.token, move=wanted, bare=call.bare)
        call.bare.update({ref: (new, old)})
    except Forbidden as forbidden:
        raise refuse(422, str(forbidden)) from forbidden
    except Moved as moved:
        raise refuse(409, f"Reference cannot be updated: {moved}") from moved
    note_push(call.store, call.repository, user=call.user)


@route("GET", "/git/ref/{ref}")
def read(call: Call) -> Response:
    name = f"refs/{call.params['ref']}"
    sha = call.bare.refs(name).get(name)
    if sha is None:
        raise not_found()
    return Response(body=show_ref(call, name, sha))


@route("GET", "/git/matching-refs/{ref}")
def matching(call: Call) -> Response:
    start = f"refs/{call.params['ref']}"
    found = [(name, sha) for name, sha in call.bare.refs().items() if name.startswith(start)]
    return call.page(found, lambda pair: show_ref(call, *pair))


@route("POST", "/git/refs")
def create(call: Call) -> Response:
    name, sha = call.body["ref"], call.body["sha"]
    if not name.startswith("refs/") or not call.bare.says_yes("check-ref-format", name):
        raise refuse(422, "Reference name is not formatted correctly")
    if call.bare.refs(name).get(name):
        raise refuse(422, "Reference already exists")
    check_object(call, sha)
    move(call, name, old=ZERO, new=sha)
    return Response(status=201, body=show_ref(call, name, sha))


def check_object(call: Call, sha: str) -> None:
    if call.bare.find(sha) != sha:
        raise refuse(422, "Object does not exist")


@route("PATCH", "/git/refs/{ref}")
def update(call: Call) -> Response:
    name, sha = f"refs/{call.params['ref']}", call.body["sha"]
    old = call.bare.refs(name).get(name)
    if old is None:
        raise refuse(422, "Reference does not exist")
    check_object(call, sha)
    if not call.body.get("force") and not call.bare.reaches(sha, old):
        raise refuse(422, "Update is not a fast forward")
    move(call, name, old=old, new=sha)
    return Response(body=show_ref(call, name, sha))


@route("DELETE", "/git/refs/{ref}")
def delete(call: Call) -> Response:
    name = f"refs/{call.params['ref']}"
    old = call.bare.refs(name).get(name)
    if old is None:
        raise refuse(422, "Reference does not exist")
    move(call, name, old=old, new=ZERO)
    return Response(status=204)


@route("POST", "/git/blobs")
def create_blob(call: Call) -> Response:
    text = call.body["content"]
    in_base64 = call.body.get("encoding") == "base64"
    sha = call.bare.write_blob(base64.b64decode(text) if in_base64 else text.encode())
    url = view.api_url(call.store, call.repository, f"git/blobs/{sha}")
    return Response(status=201, body={"sha": sha, "url": url})


@route("POST", "/git/trees")
def create_tree(call: Call) -> Response:
    base = call.body.get("base_tree")
    tree = call.bare.find(base, kind="tree") if base else None
    if base and tree is None:
        raise not_found()
    changes = [
        (one["path"], one.get("mode", "100644"), content(call, one)) for one in tree_body(call)
    ]
    return tree_answer(call, call.bare.edited_tree(tree, changes), status=201)


def tree_body(call: Call) -> list[Object]:
    entries: list[Object] = call.body["tree"]
    return entries


def content(call: Call, one: Object) -> str | None:
    """Return the blob's id for a path, or None to remove the path."""
    if "content" in one:
        return call.bare.write_blob(one["content"].encode())
    sha: str | None = one.get("sha")
    return sha


@route("POST", "/git/commits")
def create_commit(call: Call) -> Response:
    tree = call.bare.find(call.body["tree"], kind="tree")
    if tree is None:
        raise refuse(422, "Tree SHA does not exist")
    parents = call.body.get("parents") or []
    for parent in parents:
        check_object(call, parent)
    author = named_person(call, call.body.get("author"))
    committer = named_person(call, call.body.get("committer") or call.body.get("author"))
    message = call.body["message"]
    sha = call.bare.commit(
        tree, parents=parents, message=message, author=author, committer=committer
    )
    body = view.git_commit(call.store, call.repository, call.bare.read_commit(sha))
    return Response(status=201, body=body)


def named_person(call: Call, given: Object | None) -> Person:
    now = call.store.clock.now()
    if given is None:
        return person(call.user, when=now)
    return Person(name=given["name"], email=given["email"], date=given.get("date", stamp(now)))


@route("GET", "/git/commits/{commit_sha}")
def read_commit(call: Call) -> Response:
    sha = call.params["commit_sha"]
    if call.bare.find(sha) != sha:
        raise not_found()
    body = view.git_commit(call.store, call.repository, call.bare.read_commit(sha))
    return Response(body=body)
