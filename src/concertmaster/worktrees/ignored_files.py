"""Finds files that an attempt wrote and that the repository's ignore files name.

They are not part of the change. What tools make anew, such as node_modules, is not looked into.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath

from concertmaster.worktrees.removal import is_folder, remove_folder
from concertmaster.worktrees.strays import keep_copies

MADE_ANEW = (
    *("node_modules", "__pycache__", "*.pyc", "*.egg-info", ".venv", "venv", ".tox", ".nox"),
    *("target", "dist", "build", "out", "coverage", "htmlcov", ".coverage*", "*.tsbuildinfo"),
    *("*cache*", ".gradle", ".next", ".nuxt", ".turbo", ".DS_Store", "*.o", "*.class"),
)
MOST_FILES = 1000
MOST_BYTES = 64 << 20
_SHOWN = 3
_MADE_ANEW = re.compile("|".join(map(fnmatch.translate, MADE_ANEW)))


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoredFiles:
    """The ignored files of one worktree. `record` outlives the process."""

    files: Path
    record: Path

    def remember(self, listed: Sequence[str]) -> None:
        """Record what lies there when a phase begins. `listed` is what git ignores."""
        remove_folder(self.record)
        self.record.write_text(json.dumps(self._see(listed)), encoding="ascii")

    def keep_written(
        self, listed: Sequence[str], keeping: Path, *, name: str, user: int
    ) -> Iterator[str]:
        """Copy what is new or has changed since `remember`; yield a note on it.

        `user` is the owner of the attempt's files, or 0.
        """
        before = self._read()
        now = self._see(listed)
        written = sorted(path for path, trait in now.items() if before.get(path) != trait)
        if not written:
            return
        small, size = list[str](), 0
        for path in written[:MOST_FILES]:
            size += now[path][0]
            small += [path] if size <= MOST_BYTES else []
        kept = keep_copies(small, self.files, keeping, name=name, user=user)
        shown = ", ".join(written[:_SHOWN])
        more = f" and {len(written) - _SHOWN} more" if len(written) > _SHOWN else ""
        yield (
            f"git ignores {shown}{more}, so the change does not have it; "
            + (f"kept in {keeping / name}" if kept else "it could not be kept")
        )
        lost = [path for path in written if path not in kept]
        if kept and lost:
            yield f"{lost[0]} and all further ignored files are too large to be kept"

    def _see(self, listed: Sequence[str]) -> dict[str, list[int]]:
        """Return size and time of the files in what git lists, by path."""
        found = dict[str, list[int]]()
        for path in _walk(self.files, listed):
            with suppress(OSError):
                facts = (self.files / path).lstat()
                found[path] = [facts.st_size, facts.st_mtime_ns]
        return found

    def _read(self) -> Mapping[str, list[int]]:
        with suppress(OSError, ValueError):
            found: dict[str, list[int]] = json.loads(self.record.read_text(encoding="ascii"))
            return found
        return {}


def _walk(top: Path, listed: Sequence[str]) -> Iterator[str]:
    """Yield the files in what git lists, without what tools make anew."""
    waiting = [path for path in listed if not is_made_anew(path)]
    while waiting:
        path = waiting.pop()
        place = top / path
        if not is_folder(place):
            if place.is_file() and not place.is_symlink():
                yield path
            continue
        with suppress(OSError):
            below = [f"{path.rstrip('/')}/{entry.name}" for entry in place.iterdir()]
            waiting += [one for one in below if not is_made_anew(PurePath(one).name)]


def is_made_anew(path: str) -> bool:
    """Return whether tools make the file or folder anew, or one that it lies in."""
    return any(_MADE_ANEW.match(part) for part in PurePath(path).parts)
