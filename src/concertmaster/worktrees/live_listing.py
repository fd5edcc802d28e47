"""Lists the files of a worktree while its attempt runs, to find what the attempt changes.

The attempt may change everything at any time, so no path is trusted: folders are opened by
descriptors that do not follow links, no file is opened, and no program is run.
"""

from __future__ import annotations

import os
import posixpath
import stat
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from concertmaster.worktrees.file_listing import Trait
from concertmaster.worktrees.ignored_files import is_made_anew

MOST_ENTRIES = 300_000
MOST_SECONDS = 2.0
DEEPEST = 60  # levels of folders; each holds a descriptor open
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveListing:
    """The entries of a worktree by path. `folders` are those that were listed; "" is the top.

    `is_whole` is False if a limit ended the listing.
    """

    entries: Mapping[str, Trait] = field(default_factory=dict)
    folders: frozenset[str] = frozenset()
    is_whole: bool = True

    @classmethod
    def see(cls, top: Path, *, known: Collection[str], before: LiveListing | None) -> LiveListing:
        """Return the listing of the worktree, within MOST_SECONDS and MOST_ENTRIES.

        `known` are the folders of the commit that the files began as. Of the others only those are
        looked into that are not in `before`: setup may have left very many files in them.
        """
        seen = _Walk(known=known, before=before.entries if before else None)
        with suppress(OSError):  # the worktree is gone or closed
            seen.walk(os.open(top, _OPEN))
        return cls(
            entries=seen.entries, folders=frozenset(seen.folders), is_whole=not seen.is_over()
        )

    def changes_since(self, before: LiveListing) -> set[str]:
        """Return the files that are new, differ or are gone; none is gone in a part unseen."""
        found = {
            path
            for path, trait in self.entries.items()
            if before.entries.get(path) != trait and not stat.S_ISDIR(trait[0])
        }
        gone = before.entries.items() if self.is_whole else ()
        return found | {
            path for path, trait in gone if not stat.S_ISDIR(trait[0]) and self._lacks(path)
        }

    def _lacks(self, path: str) -> bool:
        """Return whether the first listed folder above the path does not lead to it."""
        here = path
        while here:
            above, found = posixpath.dirname(here), self.entries.get(here)
            if above in self.folders:
                return found is None or (here != path and not stat.S_ISDIR(found[0]))
            here = above
        return False


class _Walk:
    """One walk through a worktree."""

    def __init__(self, *, known: Collection[str], before: Mapping[str, Trait] | None) -> None:
        self._known = known
        self._before = before
        self._ends_at = time.monotonic() + MOST_SECONDS
        self.entries: dict[str, Trait] = {}
        self.folders: list[str] = []

    def is_over(self) -> bool:
        """Return whether a limit is reached."""
        return len(self.entries) > MOST_ENTRIES or time.monotonic() > self._ends_at

    def walk(self, top: int) -> None:
        """List everything below an open folder, and close it."""
        open_folders: list[tuple[int, str, Iterator[str]]] = []
        try:
            open_folders.append((top, "", iter(self._list(top, ""))))
            while open_folders:
                descriptor, path, inner = open_folders[-1]
                name = next(inner, None)
                if name is None or self.is_over():
                    os.close(descriptor)
                    open_folders.pop()
                elif len(open_folders) < DEEPEST:
                    with suppress(OSError):  # swapped, gone or closed
                        below = os.open(name, _OPEN, dir_fd=descriptor)
                        place = f"{path}{name}/"
                        open_folders.append((below, place, iter(self._list(below, place))))
        finally:
            for descriptor, _, _ in open_folders:
                os.close(descriptor)

    def _list(self, descriptor: int, prefix: str) -> list[str]:
        """Record the entries of an open folder; return the names of the folders to look into."""
        wanted = []
        self.folders.append(prefix.removesuffix("/"))
        with suppress(OSError), os.scandir(descriptor) as entries:
            for entry in entries:
                with suppress(OSError):
                    found = entry.stat(follow_symlinks=False)
                    path = f"{prefix}{entry.name}"
                    if stat.S_ISDIR(found.st_mode):
                        self.entries[path] = (found.st_mode,)
                        wanted += [entry.name] if self._is_wanted(path, entry.name) else []
                    elif prefix or entry.name != ".git":
                        self.entries[path] = _trait(found)
        return wanted

    def _is_wanted(self, path: str, name: str) -> bool:
        if name == ".git":
            return False
        if path in self._known:
            return True
        is_new = self._before is not None and path not in self._before
        return is_new and not is_made_anew(name)


def _trait(found: os.stat_result) -> Trait:
    return (found.st_mode, found.st_size, found.st_mtime_ns, found.st_ino)
