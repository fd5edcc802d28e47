"""Reads the index of an agent's repository, to learn what its files do not show."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from concertmaster.git.command import Git, parse_object_id, split_records

_MOST_SHARED_BYTES = 256 << 20
_HIDDEN = "S "  # how git marks an entry that a sparse checkout leaves out


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentIndex:
    """The paths in which an index of an agent differs from a tree of ours.

    `added` are only in the index and `removed` only in the tree. `left_out` are those that a sparse
    checkout leaves out of the worktree.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    left_out: frozenset[str] = frozenset()


def read_agent_index(git: Git, tree: str) -> AgentIndex | None:
    """Return what differs in the index that `git` is told, None if git cannot read it.

    The tree must be in the repository of `git`, which is not the agent's.
    """
    options = ("--cached", "--ita-visible-in-index", "--no-renames", "--diff-filter=AUD")
    compared = git.ask("diff-index", "-z", "--name-status", *options, parse_object_id(tree))
    listed = git.ask("ls-files", "-z", "-t", "--cached")
    if compared.code != 0 or listed.code != 0:
        return None
    words = iter(compared.out.decode("utf-8", "surrogateescape").split("\0")[:-1])
    changes = [*zip(words, words, strict=True)]
    marked = split_records(listed.out)
    return AgentIndex(
        added=tuple(dict.fromkeys(path for status, path in changes if status != "D")),
        removed=tuple(path for status, path in changes if status == "D"),
        left_out=frozenset(one[len(_HIDDEN) :] for one in marked if one.startswith(_HIDDEN)),
    )


def copy_shared_indexes(folder: Path, draft: Path) -> None:
    """Copy the parts that a split index shares; git looks for them beside the repository's files.

    Only plain files are read.
    """
    for file in _shared_indexes(folder):
        shutil.copyfile(file, draft / file.name, follow_symlinks=False)


def _shared_indexes(folder: Path) -> Iterator[Path]:
    for file in folder.glob("sharedindex.*"):
        found = os.lstat(file)
        if stat.S_ISREG(found.st_mode) and found.st_size <= _MOST_SHARED_BYTES:
            yield file
