"""Reads the JUnit XML files that a failed check has left in its worktree."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from concertmaster.errors import EnvironmentFault
from concertmaster.files.untrusted import open_plain
from concertmaster.text.junit_report import MOST_TESTS, find_failures, is_report

MOST_FOLDERS = 3000
MOST_FILES = 200
MOST_BYTES = 4 << 20  # of one file
_START_BYTES = 2048  # of a file, in which a report says what it is
_LAG_SECONDS = 0.1  # of the clock that dates files
_PASSED_OVER = frozenset({".git", "node_modules", ".venv", "venv"})


def read_junit_failures(folder: Path, *, since: float) -> tuple[str, ...]:
    """Return the tests that failed by the reports below the folder.

    Only XML files that were written after `since` (epoch seconds) count. No link is followed.
    """
    found: dict[str, None] = {}
    for number, path in enumerate(sorted(_find_files(folder, since=since - _LAG_SECONDS))):
        if number < MOST_FILES and len(found) < MOST_TESTS:
            found |= dict.fromkeys(find_failures(_read_report(path)))
    return tuple(found)[:MOST_TESTS]


def _find_files(top: Path, *, since: float) -> Iterator[Path]:
    waiting, seen = [str(top)], 0
    while waiting and seen < MOST_FOLDERS:
        seen += 1
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    if _is_new(entry, since=since):
                        yield Path(entry.path)
                elif entry.name not in _PASSED_OVER:
                    waiting.append(entry.path)


def _is_new(entry: os.DirEntry[str], *, since: float) -> bool:
    return entry.name.endswith(".xml") and entry.stat(follow_symlinks=False).st_mtime >= since


def _read_report(path: Path) -> bytes:
    """Return the content of a report, b"" of anything else."""
    with (
        suppress(EnvironmentFault, OSError),
        open_plain(path, what="a report of tests", most_bytes=MOST_BYTES) as descriptor,
    ):
        start = os.read(descriptor, _START_BYTES)
        if is_report(start):
            return start + b"".join(iter(lambda: os.read(descriptor, 1 << 20), b""))
    return b""
