"""Reads the files of one commit, each of them once."""

from __future__ import annotations

from concertmaster.git.repository import Repository


class CommitFiles:
    """The files of a commit that a run asks for again and again. Threads need no lock."""

    def __init__(self, repository: Repository, commit: str) -> None:
        self._repository = repository
        self._commit = commit
        self._read: dict[str, bytes | None] = {}

    def read(self, path: str) -> bytes | None:
        """Return the content of the file at `path`, or None if there is none."""
        if path not in self._read:
            self._read[path] = self._repository.read_file(self._commit, path)
        return self._read[path]
