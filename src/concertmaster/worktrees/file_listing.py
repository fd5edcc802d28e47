"""What lies in a folder, whatever git thinks of it: enough to tell later what came or changed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath

Trait = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileListing:
    """Everything below a folder by its path in it. Contents of files are not read: two that differ
    have another size, time or inode, unless somebody takes pains."""

    entries: Mapping[str, Trait]

    @classmethod
    def see(cls, folder: Path) -> FileListing:
        """Symbolic links are not followed."""
        return cls(entries=dict(_walk(folder)))

    def holds(self, other: FileListing) -> bool:
        """All that the other has is here, and is as it is there."""
        return other.entries.items() <= self.entries.items()

    def added_to(self, before: FileListing) -> list[str]:
        """The paths that `before` does not have, without those below one of them."""
        new = self.entries.keys() - before.entries.keys()
        return sorted(path for path in new if str(PurePath(path).parent) not in new)


def _walk(top: Path) -> Iterator[tuple[str, Trait]]:
    folders = [""]
    while folders:
        below = folders.pop()
        for name, found in _list(f"{top}/{below}"):
            path = f"{below}{name}"
            if stat.S_ISDIR(found.st_mode):
                folders.append(f"{path}/")
                yield path, (found.st_mode,)  # its time changes with what comes and goes in it
            else:
                yield path, (found.st_mode, found.st_size, found.st_mtime_ns, found.st_ino)


def _list(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    """What cannot be looked at is not seen, before and after."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                yield entry.name, entry.stat(follow_symlinks=False)
