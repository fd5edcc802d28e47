"""Describes merges as git makes them in memory: what merged, and what conflicts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from concertmaster.text.object_ids import OBJECT_ID

REGULAR = ("100644", "100755")
BASE, OURS, THEIRS = 1, 2, 3  # the stages of a path in a conflict


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """The result of a merge without conflicts; `joined` are the paths that needed help."""

    commit: str
    tree: str
    joined: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FileVersion:
    """A file as one side of a merge has it."""

    mode: str
    blob: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """The result of a merge in which both sides changed these paths incompatibly.

    `tree` holds all that merged, and in the files that did not, the markers of the conflicts.
    `stages` maps a path to the versions of base, ours and theirs; one that is missing has none.
    """

    paths: tuple[str, ...]
    tree: str = field(default="", compare=False)
    stages: Mapping[str, Mapping[int, FileVersion]] = field(default_factory=dict, compare=False)

    def find_versions(self, path: str) -> tuple[FileVersion, FileVersion, FileVersion] | None:
        """Return base, ours and theirs of a regular file that both sides only changed."""
        stages = self.stages.get(path, {})
        if {*stages} != {BASE, OURS, THEIRS}:
            return None
        versions = (stages[BASE], stages[OURS], stages[THEIRS])
        modes = {version.mode for version in versions}
        return versions if len(modes) == 1 and modes <= {*REGULAR} else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """The tree of a merge whose conflicts in the files at `paths` were resolved."""

    tree: str
    paths: tuple[str, ...] = ()


# Git adds the commit of a side where a file meets a folder of the same name.
_SIDE = re.compile(rf"~{OBJECT_ID}(?:_\d+)?(?=/|\Z)")
Resolve = Callable[[Conflict], Joined | Conflict]


def read_conflict(records: Iterable[str]) -> Conflict:
    """Return the conflict that `git merge-tree -z` printed without messages."""
    tree, *entries = records
    stages: dict[str, dict[int, FileVersion]] = {}
    for entry in entries:
        header, path = entry.split("\t", 1)
        mode, blob, stage = header.split(" ")
        stages.setdefault(path, {})[int(stage)] = FileVersion(mode=mode, blob=blob)
    paths = {_SIDE.sub("", path) for path in stages}
    return Conflict(paths=tuple(sorted(paths)), tree=tree, stages=stages)
