"""Finds and signals the processes below this one, and those of a user.

The guard server runs as its own program and imports this module, so it imports only the standard
library.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Collection, Iterator

RESCAN_SECONDS = 0.05
PROCESSES = "/proc"


def end_user(uid: int, *, until: float) -> bool:
    """End every process of the user; return False if some are left at monotonic time `until`."""
    while uid in users_of_processes():
        kill_user(uid)
        if time.monotonic() > until:
            return False
        time.sleep(RESCAN_SECONDS)
    return True


def kill_user(uid: int) -> None:
    """Kill all processes of the user by one signal, so that none can fork in between.

    The effective user is switched to `uid`, so no other user's process is signalled. The real user
    is `uid + 1`, which owns no process, so processes of `uid` cannot signal this one.
    """
    os.setresuid(uid + 1, uid, 0)
    try:
        if os.getresuid() == (uid + 1, uid, 0) and uid > 0:  # as root it would kill all
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(-1, signal.SIGKILL)
    finally:
        os.setresuid(0, 0, 0)


def users_of_processes() -> set[int]:
    """Return the real, effective and saved user ids of all processes except zombies."""
    users: set[int] = set()
    for pid in _process_ids():
        with contextlib.suppress(OSError):  # it ended meanwhile
            # The program chooses its name, but a line feed in it is escaped.
            lines = _read(pid, "status").decode(errors="replace").split("\n")
            fields = {name: value.split() for name, _, value in (s.partition(":") for s in lines)}
            if fields["State"][0] not in ("Z", "X"):
                users.update(map(int, fields["Uid"][:3]))
    return users


def signal_tree(
    number: int, main: int = 0, *, spare: Collection[int] = (), daemons: Collection[int] = ()
) -> bool:
    """Signal each process group below this process; return whether there was one.

    The children in `spare` and what has one of the sessions `daemons` are left alone.
    """
    groups = {group for _, group, _ in below(os.getpid(), spare, daemons)}
    for group in groups or {main} - {0}:
        # Groups, because endless forking cannot escape a signal to the whole group.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)
    return bool(groups)


def below(
    root: int, spare: Collection[int] = (), daemons: Collection[int] = ()
) -> Iterator[tuple[int, int, int]]:
    """Yield id, process group and session of all descendants of `root`; none without /proc."""
    children: dict[int, list[tuple[int, int, int]]] = {}
    for pid, parent, group, session in processes():
        if session not in daemons:
            children.setdefault(parent, []).append((pid, group, session))
    pending = [child for child in children.get(root, []) if child[0] not in spare]
    while pending:
        found = pending.pop()
        yield found
        pending += children.get(found[0], [])


def processes() -> Iterator[tuple[int, int, int, int]]:
    """Yield the ids of process, parent, process group and session for all processes."""
    for pid in _process_ids():
        with contextlib.suppress(OSError):  # it ended meanwhile
            # The program chooses the name in parentheses, which may contain spaces and ")".
            fields = _read(pid, "stat").rpartition(b")")[2].split()
            yield int(pid), int(fields[1]), int(fields[2]), int(fields[3])


def _process_ids() -> list[str]:
    """Return the ids of all processes; none without /proc."""
    with contextlib.suppress(OSError):
        return [name for name in os.listdir(PROCESSES) if name.isdecimal()]  # noqa: PTH208
    return []


def _read(pid: str, name: str) -> bytes:
    # `pathlib` would take a fifth of the guard server's start.
    with open(f"{PROCESSES}/{pid}/{name}", "rb") as file:  # noqa: PTH123
        return file.read()
