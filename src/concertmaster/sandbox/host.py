"""Ends left-over processes on this machine and measures its free memory and disk space."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from concertmaster.sandbox.resource_limits import FreeResources

if TYPE_CHECKING:
    import psutil

MARK = "CONCERTMASTER_MARK"
GUARD_PROGRAM = Path(__file__).with_name("guard_server.py")
SWEEP_SECONDS = 10.0
AWAIT_SECONDS = 60.0
RESCAN_SECONDS = 0.02

CONTROL_GROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
# Names for control groups v2 and v1: the files of the limit and of the usage, and the line of
# memory.stat that counts the part of the usage that the kernel can reclaim.
_SECOND = ("memory.max", "memory.current", "inactive_file")
_FIRST = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def sweep(mark_prefix: str) -> int:
    """End every process whose mark starts with the prefix; return the number of ended processes.

    Processes that this user may not signal are skipped. It ends what a crash or a killed guard
    left behind. The prefix must end at a boundary of the mark, or `task-1` also ends `task-10`.
    """
    _wake_guard_servers()
    return end_marked(lambda mark: mark.startswith(mark_prefix))


def _wake_guard_servers() -> None:
    """Let guard servers go on that an agent has stopped; without a client they end their trees."""
    import psutil  # noqa: PLC0415  as below

    for process in psutil.process_iter(["cmdline", "status"]):
        is_server = str(GUARD_PROGRAM) in (process.info["cmdline"] or [])
        if is_server and process.info["status"] == psutil.STATUS_STOPPED:
            with suppress(psutil.Error):
                process.send_signal(signal.SIGCONT)


def end_marked(is_meant: Callable[[str], bool]) -> int:
    """End every process whose mark satisfies `is_meant`; return the number of ended processes."""
    import psutil  # noqa: PLC0415  its import takes 19 ms

    def is_left(process: psutil.Process) -> bool:
        environment = process.info["environ"] or {}  # None if access is denied
        return MARK in environment and is_meant(environment[MARK]) and process.pid != os.getpid()

    ended: set[psutil.Process] = set()
    clean_scans = 0  # two are needed: a process shows no environment during exec
    give_up_at = time.monotonic() + SWEEP_SECONDS
    while clean_scans < 2 and time.monotonic() < give_up_at:
        left = list(filter(is_left, psutil.process_iter(["environ"])))
        for process in left:
            with suppress(psutil.Error):
                process.kill()
                ended.add(process)
        clean_scans = 0 if left else clean_scans + 1
        time.sleep(RESCAN_SECONDS)  # psutil.wait_procs would reap children that others wait for
    return len(ended)


def await_end(program: str, *, variable: str, value: str) -> bool:
    """Wait until no process of the program has the variable set to the value.

    Return False if that takes more than AWAIT_SECONDS. Daemons with another program name are not
    waited for.
    """
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
    """Return the free memory, and the free space of the fullest disk among those of the folders.

    The folders need not exist yet. Raises OSError if the resources cannot be measured.
    """
    disk, folder = min((_measure_disk(folder), str(folder)) for folder in folders)
    return FreeResources(memory_bytes=measure_memory(), disk_bytes=disk, folder=folder)


def _measure_disk(folder: Path) -> int:
    import psutil  # noqa: PLC0415  as above

    there = next(one for one in (folder, *folder.parents) if one.exists())
    return psutil.disk_usage(str(there)).free


def measure_memory(*, groups: Path = CONTROL_GROUPS, membership: Path = MEMBERSHIP) -> int:
    """Return the bytes of memory that can be allocated without swapping.

    In a container this is at most what its control groups leave. Raises OSError.
    """
    import psutil  # noqa: PLC0415  as above

    try:
        available = psutil.virtual_memory().available
    except (psutil.Error, LookupError, ValueError) as error:  # /proc is not as expected
        raise OSError(f"the memory of this machine cannot be measured: {error}") from error
    return min([available, *_left_in_groups(groups, membership)])


def _left_in_groups(mount: Path, membership: Path) -> Iterator[int]:
    """Yield the bytes left in each control group around this process that has a limit."""
    for root, path, names in _memberships(mount, membership):
        # In a container the path may be the host's, of which only the root is visible.
        group = root / path
        for folder in (group, *group.parents):
            left = _left_in(folder, names)
            if left is not None:
                yield left
            if folder == root:
                break


def _memberships(mount: Path, membership: Path) -> Iterator[tuple[Path, str, tuple[str, str, str]]]:
    """Yield root, path and file names of each memory control group of this process."""
    with suppress(OSError):  # only Linux has control groups
        for line in membership.read_text(errors="replace").splitlines():
            controllers, _, path = line.partition(":")[2].partition(":")
            if not controllers:
                yield mount, path.strip("/"), _SECOND
            elif "memory" in controllers.split(","):
                yield mount / "memory", path.strip("/"), _FIRST


def _left_in(group: Path, names: tuple[str, str, str]) -> int | None:
    """Return the bytes left below the group's limit, None if it has no readable limit."""
    limit, usage, given_back = names
    try:
        allowed = int((group / limit).read_text())
        used = int((group / usage).read_text())
        facts = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return max(0, allowed - max(0, used - int(facts.get(given_back, 0))))
    except (OSError, ValueError):  # no such group, no limit ("max"), or access denied
        return None
