"""Keeps the facts of files by blob id in a database outside of every checkout."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

from concertmaster.insight.file_facts import VERSION, FileFacts, dump_facts, load_facts

MAX_BYTES = 512 * 1024 * 1024  # a database that has grown beyond this starts anew
_PATIENCE_SECONDS = 2.0
_BATCH = 500


class FactsCache:
    """A database that may vanish, be locked or be damaged: then it holds nothing."""

    def __init__(self, folder: Path, repository: Path) -> None:
        """Keep the database of the repository with this git folder below `folder`."""
        name = hashlib.sha256(bytes(repository)).hexdigest()[:16]
        self._path = folder / f"{name}.{VERSION}.sqlite"

    def read(self, keys: Iterable[str]) -> dict[str, str]:
        """Return what is kept under these keys."""
        wanted = sorted(set(keys))
        found: dict[str, str] = {}
        with suppress(sqlite3.Error, OSError), closing(self._open()) as database:
            for start in range(0, len(wanted), _BATCH):
                batch = wanted[start : start + _BATCH]
                marks = ",".join("?" * len(batch))
                query = f"SELECT key, value FROM kept WHERE key IN ({marks})"  # noqa: S608
                found.update(database.execute(query, batch))
        return found

    def write(self, values: Mapping[str, str]) -> None:
        """Keep these values. Does nothing where that is not possible."""
        if not values:
            return
        with suppress(sqlite3.Error, OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if self._path.exists() and self._path.stat().st_size > MAX_BYTES:
                self._path.unlink()
            with closing(self._open()) as database, database:
                rows = sorted(values.items())
                database.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?)", rows)

    def _open(self) -> sqlite3.Connection:
        if not self._path.parent.is_dir():
            raise FileNotFoundError(self._path)
        database = sqlite3.connect(self._path, timeout=_PATIENCE_SECONDS)
        try:
            database.execute("PRAGMA synchronous = OFF")
            database.execute("CREATE TABLE IF NOT EXISTS kept (key TEXT PRIMARY KEY, value TEXT)")
        except sqlite3.Error:
            database.close()
            raise
        return database


class NoCache(FactsCache):
    """A cache that keeps nothing."""

    def __init__(self) -> None:
        super().__init__(Path("/nonexistent"), Path("/nonexistent"))

    def read(self, keys: Iterable[str]) -> dict[str, str]:
        """Return nothing."""
        return {}

    def write(self, values: Mapping[str, str]) -> None:
        """Keep nothing."""


def load_kept(kept: Mapping[str, str]) -> dict[str, FileFacts]:
    """Return the facts of the entries that can be read."""
    found: dict[str, FileFacts] = {}
    for key, value in kept.items():
        with suppress(ValueError):
            found[key] = load_facts(value)
    return found


def dump_all(facts: Mapping[str, FileFacts], keys: Sequence[str]) -> dict[str, str]:
    """Return the entries for these keys."""
    return {key: dump_facts(facts[key]) for key in keys}
