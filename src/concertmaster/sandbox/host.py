"""The machine that we are on: which processes of ours are on it, and how much room it has."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from concertmaster.sandbox.resources import FreeResources

if TYPE_CHECKING:
    import psutil

MARK = "CONCERTMASTER_MARK"
SWEEP_SECONDS = 10.0
AWAIT_SECONDS = 60.0
RESCAN_SECONDS = 0.02

CONTROL_GROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
# Of a control group, in its second and first version: its limit, what it uses, and what of that
# is given back when it is wanted (a line of memory.stat).
_SECOND = ("memory.max", "memory.current", "inactive_file")
_FIRST = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def sweep(mark_prefix: str) -> int:
    """End every process whose mark starts so, as far as we may; the number of those ended.

    For what a crash or a killed guard left behind. Let the prefix end where a part of the mark
    ends, or `task-1` also ends `task-10`.
    """
    return end_marked(lambda mark: mark.startswith(mark_prefix))


def end_marked(is_meant: Callable[[str], bool]) -> int:
    """End every process with such a mark, as far as we may; the number of those ended."""
    import psutil  # noqa: PLC0415  its 19 ms are only for those who need it

    def is_left(process: psutil.Process) -> bool:
        environment = process.info["environ"] or {}  # None where we may not look
        return MARK in environment and is_meant(environment[MARK]) and process.pid != os.getpid()

    ended: set[psutil.Process] = set()
    clean_scans = 0  # one proves nothing: a process between two programs shows no environment
    give_up_at = time.monotonic() + SWEEP_SECONDS
    while clean_scans < 2 and time.monotonic() < give_up_at:
        left = list(filter(is_left, psutil.process_iter(["environ"])))
        for process in left:
            with suppress(psutil.Error):
                process.kill()
                ended.add(process)
        clean_scans = 0 if left else clean_scans + 1
        time.sleep(RESCAN_SECONDS)  # psutil's own waiting would take exit codes from others
    return len(ended)


def await_end(program: str, *, variable: str, value: str) -> bool:
    """Wait for the program's processes with this in their environment. False when that takes too
    long. A daemon of another name that such a process has left is not waited for."""
    import psutil  # noqa: PLC0415  as above

    def is_left(process: psutil.Process) -> bool:
        environment = process.info["environ"] or {}
        return process.info["name"] == program and environment.get(variable) == value

    give_up_at = time.monotonic() + AWAIT_SECONDS
    while any(map(is_left, psutil.process_iter(["environ", "name"]))):
        if time.monotonic() > give_up_at:
            return False
        time.sleep(RESCAN_SECONDS)
    return True


def measure(folders: Collection[Path]) -> FreeResources:
    """What is free now for whoever works in these folders, which may be still to be made.

    Raises OSError where that cannot be found out.
    """
    disk, folder = min((_measure_disk(folder), str(folder)) for folder in folders)
    return FreeResources(memory_bytes=measure_memory(), disk_bytes=disk, folder=folder)


def _measure_disk(folder: Path) -> int:
    import psutil  # noqa: PLC0415  as above

    there = next(one for one in (folder, *folder.parents) if one.exists())
    return psutil.disk_usage(str(there)).free


def measure_memory(*, groups: Path = CONTROL_GROUPS, membership: Path = MEMBERSHIP) -> int:
    """Bytes of memory that can still be taken, without swapping: of the machine, and in a
    container of what it is allowed. Raises OSError."""
    import psutil  # noqa: PLC0415  as above

    try:
        available = psutil.virtual_memory().available
    except (psutil.Error, LookupError, ValueError) as error:  # a /proc that is not as it should be
        raise OSError(f"the memory of this machine cannot be measured: {error}") from error
    return min([available, *_left_in_groups(groups, membership)])


def _left_in_groups(mount: Path, membership: Path) -> Iterator[int]:
    """Of each control group that we are in and that has a limit."""
    for root, path, names in _memberships(mount, membership):
        # In a container the path may be that of the host, of which only the root is to be seen.
        group = root / path
        for folder in (group, *group.parents):
            left = _left_in(folder, names)
            if left is not None:
                yield left
            if folder == root:
                break


def _memberships(mount: Path, membership: Path) -> Iterator[tuple[Path, str, tuple[str, str, str]]]:
    with suppress(OSError):  # only Linux has control groups
        for line in membership.read_text(errors="replace").splitlines():
            controllers, _, path = line.partition(":")[2].partition(":")
            if not controllers:
                yield mount, path.strip("/"), _SECOND
            elif "memory" in controllers.split(","):
                yield mount / "memory", path.strip("/"), _FIRST


def _left_in(group: Path, names: tuple[str, str, str]) -> int | None:
    limit, usage, given_back = names
    try:
        allowed = int((group / limit).read_text())
        used = int((group / usage).read_text())
        facts = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return max(0, allowed - max(0, used - int(facts.get(given_back, 0))))
    except (OSError, ValueError):  # there is none, it has no limit ("max"), or we may not look
        return None
