"""Assigns each attempt a user of its own, so that it can reach neither the engine nor others.

The users have only a number and no name. The engine must run as root.
"""

from __future__ import annotations

import ctypes
import grp
import os
import pwd
import secrets
import stat
import sys
import threading
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from concertmaster.errors import EnvironmentFault
from concertmaster.sandbox.guard_server import PR_SET_DUMPABLE
from concertmaster.sandbox.process_tree import users_of_processes

FIRST_UID = 70_000  # above the ranges for people and services
LAST_UID = 2_000_000_000  # some programs read ids as signed 32-bit numbers
FEWEST_UIDS = 4_096
STEP = 2  # the guard uses the next number, see `guard_server.kill_user`
DEEPEST = 100  # levels of folders; each level holds a descriptor open


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The user and group `uid`, without any other group."""

    uid: int


class Accounts:
    """Assigns user ids that nothing else on this machine uses; thread-safe.

    Raises EnvironmentFault unless this process is root on Linux.
    """

    def __init__(self) -> None:
        if not is_root() or sys.platform != "linux":
            raise EnvironmentFault(
                "commands cannot be run as users of their own",
                why="that needs Linux, and this process to be root",
                next_step="run the job in its container, or set `isolation: none` where the split "
                "of the jobs is protection enough",
            )
        self._lock = threading.Lock()
        self._first, self._end = free_range(Path("/proc/self/uid_map").read_text())
        self._next = self._first + secrets.randbelow((self._end - self._first) // STEP) * STEP
        self._reserved: set[int] = set()

    def reserve(self, uids: Collection[int]) -> None:
        """Exclude these ids, because attempts of an earlier process own them."""
        with self._lock:
            self._reserved |= set(uids)

    def take(self) -> int:
        """Return an unused user id. Raises EnvironmentFault if none is free."""
        with self._lock:
            busy = users_of_processes() | self._reserved
            for _ in range(self._first, self._end, STEP):
                uid = self._next
                self._next = uid + STEP if uid + 2 * STEP <= self._end else self._first
                if not busy & {uid, uid + 1} and not (_has_name(uid) or _has_name(uid + 1)):
                    self._reserved.add(uid)
                    return uid
        raise EnvironmentFault("there is no free user number left on this machine")


def free_range(uid_map: str) -> tuple[int, int]:
    """Return the first id of the usable range and its end (exclusive).

    `uid_map` is the text of /proc/self/uid_map; rootless containers often map only 65,536 ids.
    Raises EnvironmentFault if no range has FEWEST_UIDS ids.
    """
    rows = [[*map(int, line.split())] for line in uid_map.splitlines()]
    for first, _, count in rows:
        end = min(first + count, LAST_UID)
        start = max(first, FIRST_UID if end > FIRST_UID + FEWEST_UIDS else end - FEWEST_UIDS)
        if end - start >= FEWEST_UIDS:
            return start, end
    raise EnvironmentFault(
        "there are too few user numbers for users of their own",
        why="this container is given few by its engine: " + uid_map.strip(),
        next_step="run it where users are not mapped, or set `isolation: none`",
    )


def _has_name(number: int) -> bool:
    for look_up in (pwd.getpwuid, grp.getgrgid):
        with suppress(KeyError):
            look_up(number)
            return True
    return False


def is_root() -> bool:
    """Return whether this process runs as root."""
    return os.geteuid() == 0


def disable_ptrace() -> None:
    """Hide the memory and environment of this process from all other users, permanently."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, *[ctypes.c_ulong(0)] * 4)


def give_ownership(folder: Path, uid: int) -> None:
    """Give the folder and all below it to the user, and close the folder to others.

    Symlinks are not followed. Files with a second hard link keep their owner, because the other
    link may lie outside. Entries more than DEEPEST levels down keep theirs too.
    """
    above = len(folder.parts)
    for path, folders, files, fd in os.fwalk(folder, follow_symlinks=False):
        for name in (*folders, *files):
            info = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if info.st_uid != uid and (info.st_nlink == 1 or stat.S_ISDIR(info.st_mode)):
                os.chown(name, uid, uid, dir_fd=fd, follow_symlinks=False)
        if len(Path(path).parts) - above >= DEEPEST:
            folders.clear()
    os.chown(folder, uid, uid, follow_symlinks=False)
    folder.chmod(stat.S_IRWXU)
