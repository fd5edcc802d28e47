"""Counts the files of a commit without listing them.

A few trees that refer to each other many times can stand for billions of files.
"""

from __future__ import annotations

from collections.abc import Mapping

from concertmaster.git.run_repository import RunRepository

DEEPEST_FOLDER = 100


def count_files(objects: RunRepository, commit: str) -> int | None:
    """Return how many files a checkout would write, or None when folders lie too deep."""
    root = objects.tree(commit)
    inner: dict[str, list[str]] = {}
    files: dict[str, int] = {}
    level = {root}
    for _ in range(DEEPEST_FOLDER):
        for tree, data in objects.read_objects(level).items():
            entries = _entries(data, id_bytes=len(tree) // 2)
            inner[tree] = [sha for mode, sha in entries if mode.lstrip(b"0") == b"40000"]
            files[tree] = len(entries) - len(inner[tree])
        level = {sha for tree in level for sha in inner[tree]} - inner.keys()
        if not level:
            return _total(root, inner, files)
    return None


def _total(root: str, inner: Mapping[str, list[str]], files: Mapping[str, int]) -> int:
    """Return the number of files below `root`; a tree counts once for each place it is in."""
    totals: dict[str, int] = {}

    def count(tree: str) -> int:
        if tree not in totals:
            totals[tree] = files[tree] + sum(map(count, inner[tree]))
        return totals[tree]

    return count(root)


def _entries(tree: bytes, *, id_bytes: int) -> list[tuple[bytes, str]]:
    """Return mode and id of each entry of a raw tree."""
    found, at = [], 0
    while at < len(tree):
        end = tree.index(b"\0", at) + 1
        mode = tree[at : tree.index(b" ", at)]
        found.append((mode, tree[end : end + id_bytes].hex()))
        at = end + id_bytes
    return found
