"""Learns from past diffs how close to each other two changes of one file lie."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

NEIGHBOURS = 8  # commits that count as made at the same time
TOUCHING = 1  # lines between two changes that git still reports as a conflict
MOST_HUNKS = 200  # of one file in one commit
_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


@dataclass(frozen=True, slots=True)
class Hunk:
    """A change of a file: the first and the last line before it and after it.

    An insertion lies between two lines: its first line before it is one more than its last.
    """

    old: tuple[int, int]
    new: tuple[int, int]


Changes = Mapping[str, Sequence[Hunk]]  # by path


def parse_changes(diff: str, commits: frozenset[str]) -> dict[str, dict[str, list[Hunk]]]:
    """Return the hunks of each file of each commit from `git diff-tree --stdin -p -U0`."""
    found: dict[str, dict[str, list[Hunk]]] = {}
    files: dict[str, list[Hunk]] = {}
    hunks: list[Hunk] = []
    lines = iter(diff.split("\n"))
    for line in lines:
        if line in commits:
            files = found.setdefault(line, {})
        elif line.startswith(("--- a/", "+++ b/")):
            hunks = files.setdefault(line[6:].rstrip("\t"), [])
        elif match := _HUNK.match(line):
            hunk, inside = _read_hunk(match)
            if len(hunks) < MOST_HUNKS:
                hunks.append(hunk)
            _skip(lines, inside)
    return found


def _read_hunk(match: re.Match[str]) -> tuple[Hunk, int]:
    """Return a hunk and how many lines of content follow."""
    old, new = int(match[1]), int(match[3])
    removed = int(match[2]) if match[2] else 1
    added = int(match[4]) if match[4] else 1
    before = (old, old + removed - 1) if removed else (old + 1, old)
    after = (new, new + added - 1) if added else (new + 1, new)
    return Hunk(before, after), removed + added


def _skip(lines: Iterator[str], count: int) -> None:
    for _ in range(count):
        next(lines, None)


def count_close(commits: Sequence[Changes]) -> dict[str, tuple[int, int]]:
    """Return for each path how many pairs of near commits change it side by side, and how many do.

    `commits` are newest first.
    """
    found: dict[str, tuple[int, int]] = {}
    for at, newer in enumerate(commits):
        for older in commits[at + 1 : at + NEIGHBOURS]:
            for path in newer.keys() & older.keys():
                close, pairs = found.get(path, (0, 0))
                touching = _touch(older[path], newer[path])
                found[path] = (close + touching, pairs + 1)
    return dict(sorted(found.items()))


def _touch(older: Sequence[Hunk], newer: Sequence[Hunk]) -> bool:
    return any(
        first.new[0] - TOUCHING <= second.old[1] + 1
        and second.old[0] - TOUCHING <= first.new[1] + 1
        for first in older
        for second in newer
    )
