"""Implements the mutations of branches and pull requests."""

from __future__ import annotations

import base64
from typing import Any

from tests.github import merging
from tests.github.bare import WORKFLOWS, ZERO, Bare, Moved, person
from tests.github.gatekeeper import Forbidden, Move, check_push
from tests.github.merging import WEB_FLOW, Wish
from tests.github.people import Level, Permission
from tests.github.query.finding import pull_of, repository_of, unprocessable
from tests.github.query.reading import actor
from tests.github.query.sources import CommitAt, Desk, EntryAt, PullAt, QueryError, RefAt
from tests.github.state import AutoMerge, Repository

Input = dict[str, Any]
Payload = dict[str, Any]
PULLS, CONTENTS = Permission.PULL_REQUESTS, Permission.CONTENTS
WRITE = Level.WRITE


def committed_branch(desk: Desk, given: Input) -> tuple[Repository, str]:
    name = given.get("repositoryNameWithOwner") or ""
    repository = desk.store.repository(name)
    if repository is None or not given.get("branchName"):
        raise QueryError("NOT_FOUND", f"Could not resolve to a Repository with the name '{name}'.")
    desk.demand(repository, CONTENTS, WRITE)
    return repository, given["branchName"].removeprefix("refs/heads/")


def create_commit(desk: Desk, given: Input) -> Payload:
    """Commit on exactly the expected head; changes of workflow files are refused."""
    repository, branch = committed_branch(desk, given["branch"])
    bare = Bare(repository.folder)
    head, expected = bare.branch(branch), given["expectedHeadOid"]
    if head is None:
        raise QueryError("NOT_FOUND", f"No such branch '{branch}'.")
    if head != expected:
        message = f'Expected branch to point to "{expected}" but it did not. Pull and try again.'
        raise QueryError("STALE_DATA", message)
    changes = file_changes(bare, given.get("fileChanges") or {})
    tree = bare.edited_tree(head, changes)
    message = given["message"]["headline"] + "\n\n" + (given["message"].get("body") or "")
    now = desk.store.clock.now()
    commit = bare.commit(
        tree,
        parents=[head],
        message=message.strip() + "\n",
        author=person(desk.caller().user, when=now),
        committer=person(WEB_FLOW, when=now),
    )
    move_refs(desk, repository, [Move(ref=f"refs/heads/{branch}", old=head, new=commit)])
    ref = RefAt(repository=repository, name=f"refs/heads/{branch}", commit=commit)
    return {"commit": CommitAt(repository=repository, sha=commit), "ref": ref}


def file_changes(bare: Bare, given: Input) -> list[tuple[str, str, str | None]]:
    """Return the changes of (path, mode, id); GitHub writes all files with mode 100644."""
    additions = [
        (one["path"], "100644", bare.write_blob(base64.b64decode(one["contents"])))
        for one in given.get("additions") or []
    ]
    return [*additions, *((one["path"], "0", None) for one in given.get("deletions") or [])]


def move_refs(desk: Desk, repository: Repository, moves: list[Move]) -> None:
    """Move all refs or none. Raises QueryError."""
    bare = Bare(repository.folder)
    try:
        for move in moves:
            check_push(repository, desk.caller(), move=move, bare=bare)
        bare.update({move.ref: (move.new, move.old) for move in moves})
    except Forbidden as forbidden:
        kind = "FORBIDDEN" if WORKFLOWS in str(forbidden) else "UNPROCESSABLE"
        raise QueryError(kind, str(forbidden)) from forbidden
    except Moved as moved:
        raise unprocessable(f"A ref was updated meanwhile: {moved}") from moved
    merging.note_push(desk.store, repository, user=desk.caller().user)


def update_refs(desk: Desk, given: Input) -> Payload:
    repository = repository_of(desk, given["repositoryId"])
    desk.demand(repository, CONTENTS, WRITE)
    moves = [read_move(repository, one) for one in given["refUpdates"]]
    move_refs(desk, repository, moves)
    return {}


def read_move(repository: Repository, one: Input) -> Move:
    """Read a move and check its expected id, if given, and that it is a fast-forward or forced."""
    bare = Bare(repository.folder)
    now = bare.refs(one["name"]).get(one["name"], ZERO)
    move = Move(ref=one["name"], old=one.get("beforeOid") or now, new=one["afterOid"])
    if move.old != now:
        raise unprocessable(f"Expected {move.ref} to point to {move.old}, but it points to {now}")
    forward = ZERO in {move.old, move.new} or bare.reaches(move.new, move.old)
    if not forward and not one.get("force"):
        raise unprocessable(f"Update of {move.ref} is not a fast forward")
    return move


def check_head(at: PullAt, given: Input) -> None:
    if given.get("expectedHeadOid") not in {None, at.pull.head_commit}:
        raise unprocessable("Head branch was modified. Review and try the merge again.")


def enable_auto_merge(desk: Desk, given: Input) -> Payload:
    at = pull_of(desk, given["pullRequestId"], permission=PULLS)
    check_head(at, given)
    if not at.repository.allow_auto_merge:
        raise unprocessable("Auto merge is not allowed for this repository")
    if not merging.obstacle_to(at.repository, at.issue, at.pull):
        raise unprocessable("Pull request is in clean status")
    at.pull.auto_merge = AutoMerge(
        token=desk.caller(),
        method=given["mergeMethod"].lower(),
        enabled_at=desk.store.clock.now(),
        title=given.get("commitHeadline"),
        text=given.get("commitBody"),
    )
    return {"pullRequest": at, "actor": actor(desk, desk.caller().user)}


def enqueue(desk: Desk, given: Input) -> Payload:
    at = pull_of(desk, given["pullRequestId"], permission=CONTENTS)
    check_head(at, given)
    if at.pull.queue_entry:
        raise unprocessable("Pull request is already in the queue")
    if not merging.waits_for_queue(at.repository, at.pull):
        raise unprocessable("Merge queue is not enabled on this branch")
    entry = merging.enqueue(desk.store, at.pull, desk.caller())
    return {"mergeQueueEntry": EntryAt(at=at, entry=entry)}


def merge_pull(desk: Desk, given: Input) -> Payload:
    at = pull_of(desk, given["pullRequestId"], permission=CONTENTS)
    wish = Wish(
        method=given["mergeMethod"].lower(),
        head=given.get("expectedHeadOid"),
        title=given.get("commitHeadline"),
        text=given.get("commitBody"),
    )
    merging.merge(
        desk.store, at.repository, issue=at.issue, pull=at.pull, token=desk.caller(), wish=wish
    )
    return {"pullRequest": at, "actor": actor(desk, desk.caller().user)}
