"""Removes the System V shared memory, queues and semaphores of users that are over.

They outlive the processes that made them.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

TABLES = Path("/proc/sysvipc")
_REMOVE = 0  # IPC_RMID


def _removers() -> dict[str, Callable[[int], int]]:
    """Return what removes an entry of each table by its id."""
    library = ctypes.CDLL(None, use_errno=True)
    return {
        "shm": lambda one: int(library.shmctl(one, _REMOVE, None)),
        "msg": lambda one: int(library.msgctl(one, _REMOVE, None)),
        "sem": lambda one: int(library.semctl(one, 0, _REMOVE)),
    }


def remove_shared_memory(uid: int, *, tables: Path = TABLES) -> int:
    """Remove everything that belongs to the user; return how many entries were removed."""
    removed = 0
    for name, remove in _removers().items():
        for one in _find_entries(tables / name, uid):
            removed += remove(one) == 0
    return removed


def _find_entries(table: Path, uid: int) -> Iterator[int]:
    """Yield the ids of the entries in a table of the kernel that the user owns or has made."""
    with suppress(OSError, ValueError):
        head, *lines = table.read_text(encoding="ascii").splitlines()
        names = head.split()
        for line in lines:
            entry = dict(zip(names, map(int, line.split()), strict=False))
            if uid in (entry.get("uid"), entry.get("cuid")):
                yield next(entry[key] for key in ("shmid", "msqid", "semid") if key in entry)
