"""Handles reads of git data: commits, comparisons, files, trees."""

from __future__ import annotations

import base64

from tests.github.bare import GitFailed
from tests.github.exchange import Object, Response, not_found, refuse
from tests.github.rest.call import Call
from tests.github.rest.routes import route
from tests.github.views import commits as view


def commit_named(call: Call, name: str) -> str:
    sha = call.bare.find(name)
    if sha is None:
        raise refuse(422, f"No commit found for SHA: {name}")
    return sha


@route("GET", "/commits")
def commits(call: Call) -> Response:
    query = call.request.query
    start = call.bare.find(query.get("sha") or call.repository.default_branch)
    if start is None:
        raise not_found()
    paths = [query["path"]] if "path" in query else []
    found = call.bare.text("rev-list", "--max-count=1000", start, "--", *paths).splitlines()
    return call.page(found, lambda sha: show_commit(call, sha))


def show_commit(call: Call, sha: str) -> Object:
    return view.commit(call.store, call.repository, call.bare.read_commit(sha))


def show_files(call: Call, base: str, head: str) -> list[Object]:
    return [
        view.file_change(call.store, call.repository, head=head, one=change)
        for change in call.bare.changes(base, head)
    ]


@route("GET", "/commits/{ref}")
def commit(call: Call) -> Response:
    sha = commit_named(call, call.params["ref"])
    shown = show_commit(call, sha)
    parents = shown["parents"]
    files = show_files(call, parents[0]["sha"], sha) if parents else []
    added, removed = (sum(file[key] for file in files) for key in ("additions", "deletions"))
    stats = {"additions": added, "deletions": removed, "total": added + removed}
    return Response(body=shown | {"stats": stats, "files": files})


@route("GET", "/compare/{basehead}")
def compare(call: Call) -> Response:
    base_name, _, head_name = call.params["basehead"].partition("...")
    bare = call.bare
    base, head = bare.find(base_name), bare.find(head_name)
    if base is None or head is None:
        raise not_found()
    start = bare.merge_base(base, head)
    if start is None:
        raise refuse(404, "No common ancestor between the commits.")
    url = view.api_url(call.store, call.repository, f"compare/{base_name}...{head_name}")
    page = f"{call.store.url}/{call.repository.full_name}/compare/{base_name}...{head_name}"
    ahead, behind = bare.count(base, head), bare.count(head, base)
    word = {(False, False): "identical", (True, False): "ahead", (False, True): "behind"}
    body = {"url": url, "html_url": page, "permalink_url": page}
    return Response(
        body=body
        | {
            "diff_url": f"{page}.diff",
            "patch_url": f"{page}.patch",
            "base_commit": show_commit(call, base),
            "merge_base_commit": show_commit(call, start),
            "status": word.get((bool(ahead), bool(behind)), "diverged"),
            "ahead_by": ahead,
            "behind_by": behind,
            "total_commits": ahead,
            "commits": [show_commit(call, sha) for sha in reversed(bare.commits(head, f"^{base}"))],
            "files": show_files(call, start, head),
        }
    )


@route("GET", "/contents/{path}")
def contents(call: Call) -> Response:
    ref = call.request.query.get("ref", call.repository.default_branch)
    commit_id = call.bare.find(ref)
    if commit_id is None:
        raise refuse(404, f"No commit found for the ref {ref}")
    entry = call.bare.entry(commit_id, call.params["path"].strip("/"))
    if entry is None:
        raise not_found()
    store, repository = call.store, call.repository
    if entry.kind == "blob":
        body = view.file(store, repository, entry=entry, commit=commit_id)
        return Response(body=body)
    listed = call.bare.tree(commit_id, path=entry.path)
    inside = [call.bare.entry(commit_id, f"{entry.path}/{one.path}") for one in listed]
    return Response(
        body=[view.content(store, repository, entry=one, commit=commit_id) for one in inside if one]
    )


@route("GET", "/git/blobs/{file_sha}")
def blob(call: Call) -> Response:
    sha = call.params["file_sha"]
    try:
        data = call.bare.blob(sha)
    except GitFailed as failure:
        raise not_found() from failure
    body = {"sha": sha, "node_id": f"B_{sha}", "size": len(data), "encoding": "base64"}
    url = view.api_url(call.store, call.repository, f"git/blobs/{sha}")
    return Response(body=body | {"url": url, "content": base64.encodebytes(data).decode()})


@route("GET", "/git/trees/{tree_sha}")
def tree(call: Call) -> Response:
    sha = call.bare.find(call.params["tree_sha"], kind="tree")
    if sha is None:
        raise not_found()
    return tree_answer(call, sha, recursive="recursive" in call.request.query)


def tree_answer(call: Call, sha: str, *, recursive: bool = False, status: int = 200) -> Response:
    entries = call.bare.tree(sha, recursive=recursive)
    shown = [view.tree_entry(call.store, call.repository, one) for one in entries]
    url = view.api_url(call.store, call.repository, f"git/trees/{sha}")
    body = {"sha": sha, "url": url, "tree": shown, "truncated": False}
    return Response(status=status, body=body)
