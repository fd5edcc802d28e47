"""The users that commands run as: without a name, each for one attempt, so that no attempt can
reach another one or us.

Only for an engine that runs as root.
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
from concertmaster.sandbox.guard_server import PR_SET_DUMPABLE, users_of_processes

FIRST_UID = 70_000  # above what machines give to people and to services
LAST_UID = 2_000_000_000  # some programs take numbers to be signed
FEWEST_UIDS = 4_096
STEP = 2  # the number after each account's is the guard's, see `kill_user` there
DEEPEST = 100  # folders in folders that are looked into; each of them is open meanwhile


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """User and group `uid`, of no other group."""

    uid: int


class Accounts:
    """Gives each attempt a user that nothing else on this machine has. Threads need no lock."""

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
        """Never give these away: somebody had them before us."""
        with self._lock:
            self._reserved |= set(uids)

    def take(self) -> int:
        """A user that owns nothing yet."""
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
    """First number and end of those that this machine, or this container of it, may use.

    Where users are mapped, as in rootless containers, there are often just 65,536.
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
    return os.geteuid() == 0


def disable_ptrace() -> None:
    """Keep the memory and the environment of this process from all other users for good."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, *[ctypes.c_ulong(0)] * 4)


def give_ownership(folder: Path, uid: int) -> None:
    """Make the folder and all below it the user's and closed to others.

    Symlinks are not followed. A file that has a second name, which may lie anywhere, stays as it
    is unless it is the user's already, and so does what lies deeper than anything of ours.
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
