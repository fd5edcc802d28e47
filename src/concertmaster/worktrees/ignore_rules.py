"""Tells which paths the ignore files of a commit name, without looking at any worktree."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from concertmaster.errors import GitFault
from concertmaster.git.command import Git, split_records
from concertmaster.git.run_repository import RunRepository

MOST_FILES = 200
LIMIT_SECONDS = 5.0
_NAME = ".gitignore"


class IgnoreRules:
    """The ignore files of one commit, copied to a folder of ours when they are first asked for."""

    def __init__(
        self,
        repository: RunRepository,
        folder: Path,
        *,
        commit: str,
        read: Callable[[str], bytes | None],
    ) -> None:
        """Make the rules of the commit; `read` returns the content of one of its files."""
        self._repository = repository
        self._folder = folder
        self._commit = commit
        self._read = read
        self._lock = threading.Lock()
        self._is_made = False

    def drop_ignored(self, paths: Iterable[str]) -> set[str]:
        """Return the paths that no ignore file names; all of them if git cannot tell."""
        asked = {path for path in paths if path and not path.endswith("/")}
        if not asked:
            return asked
        self._make()
        git = Git(
            self._folder,
            git_dir=self._repository.path,
            work_tree=self._folder,
            private=True,
        )
        lines = b"".join(os.fsencode(path) + b"\0" for path in sorted(asked))
        arguments = ("check-ignore", "-z", "--no-index", "--stdin")
        try:
            answer = git.ask(*arguments, stdin=lines, limit_seconds=LIMIT_SECONDS)
        except GitFault:
            return asked
        return asked - {*split_records(answer.out)} if answer.code in (0, 1) else asked

    def _make(self) -> None:
        with self._lock:
            if self._is_made:
                return
            self._folder.mkdir(parents=True, exist_ok=True)
            found = (path for path in self._repository.paths(self._commit) if _is_rules(path))
            for path, _ in zip(found, range(MOST_FILES), strict=False):
                place = self._folder / path
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(self._read(path) or b"")
            self._is_made = True


def _is_rules(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return parts[-1] == _NAME and ".." not in parts and not path.startswith("/")
