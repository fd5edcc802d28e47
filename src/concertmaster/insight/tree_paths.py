"""Looks up complete and partial paths among the files of one commit."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from functools import cached_property

from concertmaster.text import globs


class TreePaths:
    """All files of a commit, relative to its root. Indexes are built on their first use."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.paths = tuple(sorted(paths))

    def __contains__(self, path: str) -> bool:
        index = bisect_left(self.paths, path)
        return index < len(self.paths) and self.paths[index] == path

    def has_directory(self, path: str) -> bool:
        """Return whether files lie below `path`; True for the root, ""."""
        return not path or bool(self._span(path))

    def could_hold(self, path: str) -> bool:
        """Return whether the path exists or could be created in an existing folder."""
        if path in self or self.has_directory(path.rstrip("/")):
            return True
        parts = path.removeprefix("./").rstrip("/").split("/")
        if not {"", ".", "..", ".git"}.isdisjoint(parts):
            return False
        return not any("/".join(parts[:count]) in self for count in range(1, len(parts)))

    def under(self, directory: str) -> tuple[str, ...]:
        """Return the files below the directory."""
        span = self._span(directory)
        return self.paths[span.start : span.stop]

    def ending_with(self, path: str) -> tuple[str, ...]:
        """Return the files whose last segments are `path`, or only `path` if it is a file."""
        if path in self:
            return (path,)
        return tuple(p for p in self._by_tail.get(_tail(path), ()) if p.endswith(f"/{path}"))

    def directories_ending_with(self, path: str) -> tuple[str, ...]:
        """Return the directories whose last segments are `path`.

        If `path` is a directory itself, only this one is returned.
        """
        if self.has_directory(path):
            return (path,)
        return tuple(p for p in self._directories.get(_tail(path), ()) if p.endswith(f"/{path}"))

    def matching(self, glob: str) -> tuple[str, ...]:
        """Return the files that the glob matches at the root or, if none, at any depth."""
        return globs.expand((glob,), self.paths) or globs.expand((f"**/{glob}",), self.paths)

    def _span(self, directory: str) -> range:
        """Return the positions in `paths` of the files below the directory."""
        below = directory.rstrip("/") + "/"
        # "0" is the character after "/".
        return range(bisect_left(self.paths, below), bisect_left(self.paths, below[:-1] + "0"))

    @cached_property
    def by_name(self) -> dict[str, list[str]]:
        """The paths of each lower-case file name."""
        found: dict[str, list[str]] = {}
        for path in self.paths:
            found.setdefault(path.rpartition("/")[2].lower(), []).append(path)
        return found

    @cached_property
    def _by_tail(self) -> dict[str, list[str]]:
        return _index(self.paths)

    @cached_property
    def _directories(self) -> dict[str, list[str]]:
        directories: set[str] = set()
        for path in self.paths:
            parent = path.rpartition("/")[0]
            while parent and parent not in directories:
                directories.add(parent)
                parent = parent.rpartition("/")[0]
        return _index(sorted(directories))


def _index(paths: Iterable[str]) -> dict[str, list[str]]:
    """Index paths by their last segment and by their last two.

    The second index is for frequent names such as __init__.py.
    """
    index: dict[str, list[str]] = {}
    for path in paths:
        tail = _tail(path)
        index.setdefault(tail, []).append(path)
        if "/" in tail:
            index.setdefault(tail.rpartition("/")[2], []).append(path)
    return index


def _tail(path: str) -> str:
    return "/".join(path.rsplit("/", 2)[-2:])
