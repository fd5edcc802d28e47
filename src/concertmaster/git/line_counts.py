"""Counts the lines of many changes with few git processes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from concertmaster.git.command import Git, decode, git_fault, parse_object_id

_TREE = re.compile(r"[0-9a-f]{40,64}")
_HEADER = re.compile(r"([0-9a-f]{40,64} [0-9a-f]{40,64})\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class LineCount:
    """The lines added to a file and removed from it. Both are None for a binary file."""

    path: str
    added: int | None
    removed: int | None


def count_lines(
    git: Git, changes: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], tuple[LineCount, ...]]:
    """Return the counts of each change, which is a pair of trees: before and after."""
    wanted = list(dict.fromkeys(changes))
    lines = "".join(f"{parse_object_id(a)} {parse_object_id(b)}\n" for a, b in wanted)
    options = ("--stdin", "-r", "-z", "--numstat", "--no-renames", "--no-ext-diff", "--no-textconv")
    answer = git.ask("diff-tree", *options, stdin=lines.encode())
    if answer.code:
        raise git_fault("diff-tree", answer)
    return _read_counts(decode(answer.out), wanted)


def find_trees(git: Git, commits: Iterable[str]) -> dict[str, str]:
    """Return the tree of each commit that the repository has, with one git process."""
    wanted = list(dict.fromkeys(map(parse_object_id, commits)))
    lines = "".join(f"{commit}^{{tree}}\n" for commit in wanted)
    answer = git.ask("cat-file", "--batch-check=%(objectname)", stdin=lines.encode())
    if answer.code:
        raise git_fault("cat-file", answer)
    found = decode(answer.out).split("\n")
    pairs = zip(wanted, found, strict=False)
    return {commit: tree for commit, tree in pairs if _TREE.fullmatch(tree)}


def _read_counts(
    out: str, wanted: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], tuple[LineCount, ...]]:
    found: dict[str, list[LineCount]] = {" ".join(pair): [] for pair in wanted}
    pair = ""
    for record in filter(None, out.split("\0")):
        rest = record
        while header := _HEADER.match(rest):
            pair, rest = header[1], rest[header.end() :]
        if rest:
            added, removed, path = rest.split("\t", 2)
            found[pair].append(LineCount(path=path, added=_number(added), removed=_number(removed)))
    return {(a, b): tuple(found[f"{a} {b}"]) for a, b in wanted}


def _number(text: str) -> int | None:
    return None if text == "-" else int(text)
