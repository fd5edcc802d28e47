"""Renders commits, refs, trees and files as JSON."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

from tests.github.bare import Bare, Commit, Entry, FileChange, Person
from tests.github.clock import stamp
from tests.github.exchange import Object
from tests.github.state import Repository
from tests.github.store import Store, node_id
from tests.github.views import people

UNSIGNED = {
    "verified": False,
    "reason": "unsigned",
    "signature": None,
    "payload": None,
    "verified_at": None,
}
LONGEST_CONTENT = 1_000_000


def commit_node(repository: Repository, sha: str) -> str:
    return node_id("C", repository.id) + sha


def html_url(store: Store, repository: Repository, sha: str) -> str:
    return f"{store.url}/{repository.full_name}/commit/{sha}"


def api_url(store: Store, repository: Repository, path: str) -> str:
    return f"{people.repository_url(store, repository)}/{path}"


def person(one: Person) -> Object:
    moment = datetime.fromisoformat(one.date).astimezone(UTC)
    return {"name": one.name, "email": one.email, "date": stamp(moment)}


def git_commit(store: Store, repository: Repository, one: Commit) -> Object:
    """Return a commit as the git database API shows it."""
    return {
        "sha": one.sha,
        "node_id": commit_node(repository, one.sha),
        "url": api_url(store, repository, f"git/commits/{one.sha}"),
        "html_url": html_url(store, repository, one.sha),
        "author": person(one.author),
        "committer": person(one.committer),
        "message": one.message,
        "tree": {"sha": one.tree, "url": api_url(store, repository, f"git/trees/{one.tree}")},
        "parents": [
            {
                "sha": sha,
                "url": api_url(store, repository, f"git/commits/{sha}"),
                "html_url": html_url(store, repository, sha),
            }
            for sha in one.parents
        ],
        "verification": UNSIGNED,
    }


def commit(store: Store, repository: Repository, one: Commit) -> Object:
    url = api_url(store, repository, f"commits/{one.sha}")
    inner = git_commit(store, repository, one)
    kept = ("url", "author", "committer", "message", "tree", "verification")
    return {
        "sha": one.sha,
        "node_id": inner["node_id"],
        "url": url,
        "html_url": inner["html_url"],
        "comments_url": f"{url}/comments",
        "commit": {key: inner[key] for key in kept} | {"comment_count": 0},
        "author": user_of(store, one.author),
        "committer": user_of(store, one.committer),
        "parents": [
            parent | {"url": api_url(store, repository, f"commits/{parent['sha']}")}
            for parent in inner["parents"]
        ],
    }


def user_of(store: Store, one: Person) -> Object | None:
    """Return the user with the person's email address, or None."""
    known = next((user for user in store.users.values() if user.email == one.email), None)
    return people.simple_user(store, known) if known else None


def short_commit(store: Store, repository: Repository, one: Commit) -> Object:
    """Return a commit as a workflow run shows it."""
    return {
        "id": one.sha,
        "tree_id": one.tree,
        "message": one.message,
        "timestamp": person(one.committer)["date"],
        "author": {"name": one.author.name, "email": one.author.email},
        "committer": {"name": one.committer.name, "email": one.committer.email},
    }


def file_change(store: Store, repository: Repository, *, head: str, one: FileChange) -> Object:
    web = f"{store.url}/{repository.full_name}"
    return {
        "sha": one.sha,
        "filename": one.path,
        "status": one.status,
        "additions": one.additions,
        "deletions": one.deletions,
        "changes": one.additions + one.deletions,
        "blob_url": f"{web}/blob/{head}/{one.path}",
        "raw_url": f"{web}/raw/{head}/{one.path}",
        "contents_url": api_url(store, repository, f"contents/{one.path}?ref={head}"),
    }


def ref(store: Store, repository: Repository, *, name: str, sha: str) -> Object:
    kind = Bare(repository.folder).text("cat-file", "-t", sha)
    return {
        "ref": name,
        "node_id": node_id("REF", repository.id) + name,
        "url": api_url(store, repository, f"git/{name}"),
        "object": {
            "type": kind,
            "sha": sha,
            "url": api_url(store, repository, f"git/{kind}s/{sha}"),
        },
    }


def branch(store: Store, repository: Repository, *, name: str, sha: str) -> Object:
    return {
        "name": name,
        "commit": {"sha": sha, "url": api_url(store, repository, f"commits/{sha}")},
        "protected": False,
    }


def tree_entry(store: Store, repository: Repository, one: Entry) -> Object:
    shown: Object = {"path": one.path, "mode": one.mode, "type": one.kind, "sha": one.sha}
    if one.kind != "commit":
        shown["url"] = api_url(store, repository, f"git/{one.kind}s/{one.sha}")
    return shown if one.size is None else shown | {"size": one.size}


def content(store: Store, repository: Repository, *, entry: Entry, commit: str) -> Object:
    """Return a path's entry without its content."""
    kind = {"tree": "dir", "commit": "submodule"}.get(entry.kind, "file")
    url = api_url(store, repository, f"contents/{entry.path}?ref={commit}")
    git_url = api_url(store, repository, f"git/{entry.kind}s/{entry.sha}")
    page = f"{store.url}/{repository.full_name}/blob/{commit}/{entry.path}"
    return {
        "name": entry.path.rpartition("/")[2],
        "path": entry.path,
        "sha": entry.sha,
        "size": entry.size or 0,
        "type": "symlink" if entry.mode == "120000" else kind,
        "url": url,
        "git_url": git_url,
        "html_url": page,
        "download_url": page if kind == "file" else None,
        "_links": {"self": url, "git": git_url, "html": page},
    }


def file(store: Store, repository: Repository, *, entry: Entry, commit: str) -> Object:
    """Return a file with its content, which GitHub leaves out above one megabyte."""
    shown = content(store, repository, entry=entry, commit=commit)
    data = Bare(repository.folder).blob(entry.sha)
    if shown["type"] == "symlink":
        return shown | {"target": data.decode()}
    if len(data) > LONGEST_CONTENT:
        return shown | {"encoding": "none", "content": ""}
    return shown | {"encoding": "base64", "content": base64.encodebytes(data).decode()}
