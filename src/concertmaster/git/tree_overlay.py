"""Applies the difference of two trees to a third one, path by path."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from concertmaster.git.command import ABSENT, Git, parse_object_id
from concertmaster.git.merge_conflict import Merged
from concertmaster.git.run_repository import RunRepository
from concertmaster.model import PathChange


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlaid:
    """A tree with a change on it.

    `mixed` are the paths that differed from the start of the change and could not be merged; they
    are as the end of the change has them.
    """

    tree: str
    mixed: tuple[str, ...] = ()


def apply_change(objects: RunRepository, onto: str, *, before: str, after: str) -> Overlaid:
    """Return the tree `onto` with the change between the trees `before` and `after` on it.

    Where `onto` and `before` differ in a changed path, both changes are merged.
    """
    if after in (before, onto):
        return Overlaid(tree=onto)
    if onto == before:
        return Overlaid(tree=after)
    changes = objects.changes(before, after)
    differing = {change.path for change in objects.changes(onto, before)}
    mixed = sorted(change.path for change in changes if change.path in differing)
    if mixed:
        start, end, there = (
            objects.commit(tree, parents=(), message="side", at=0) for tree in (before, after, onto)
        )
        merged = objects.reapply(there, base=start, head=end, at=0)
        if isinstance(merged, Merged):
            return Overlaid(tree=merged.tree)
    return Overlaid(tree=write_paths(objects, onto, changes), mixed=tuple(mixed))


def write_paths(objects: RunRepository, tree: str, changes: Iterable[PathChange]) -> str:
    """Return the tree with the new side of each change written into it."""
    with tempfile.TemporaryDirectory(dir=objects.path) as folder:
        index = Path(folder) / "index"
        git = Git(objects.path, git_dir=objects.path, index=index, private=True)
        git.run("read-tree", parse_object_id(tree))
        lines = b"".join(_lines(changes, empty="0" * len(tree)))
        git.run("update-index", "--add", "--replace", "-z", "--index-info", stdin=lines)
        return git.run("write-tree")


def _lines(changes: Iterable[PathChange], *, empty: str) -> Iterator[bytes]:
    """Yield the entries for the index, removed paths first: a folder may take a file's place."""
    for change in sorted(changes, key=lambda one: one.new_mode != ABSENT):
        mode, blob = ("0", empty) if change.new_mode == ABSENT else (change.new_mode, change.blob)
        yield f"{mode} {blob}\t".encode() + os.fsencode(change.path) + b"\0"
