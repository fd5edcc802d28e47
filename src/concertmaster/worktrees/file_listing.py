"""Lists the files in a folder, ignored ones too, to find later what is new or has changed."""

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
    """The entries below a folder, by their path in it.

    The contents of files are not read. A changed file differs in size, time or inode, unless a
    process hides its change on purpose.
    """

    entries: Mapping[str, Trait]

    @classmethod
    def see(cls, folder: Path) -> FileListing:
        """Return the listing of the folder. Symbolic links are not followed."""
        return cls(entries=dict(_walk(folder)))

    def holds(self, other: FileListing) -> bool:
        """Return whether all entries of `other` are here unchanged."""
        return other.entries.items() <= self.entries.items()

    def added_to(self, before: FileListing) -> list[str]:
        """Return the paths that `before` does not have, without those below one of them."""
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
                yield path, (found.st_mode,)  # its times change with its entries
            else:
                yield path, (found.st_mode, found.st_size, found.st_mtime_ns, found.st_ino)


def _list(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the entries of a folder; none for a folder that cannot be read."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                yield entry.name, entry.stat(follow_symlinks=False)
