"""Closes files and folders to the users that commands run as, before the first command starts."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from concertmaster.errors import EnvironmentFault

_OF_OTHERS = stat.S_IRWXO
_PASSAGE = stat.S_IXOTH


@contextmanager
def closed(paths: Iterable[Path], *, passages: Collection[Path]) -> Iterator[None]:
    """Remove the permissions of others from the paths while the block runs.

    Folders above or at one of `passages` can still be entered, but not listed. Permissions of
    groups stay, because the machine may need them. Raises EnvironmentFault for a path that stays
    open, and for a passage that others cannot enter or that everybody can change.
    """
    ways = {way for passage in passages for way in _chain(passage.resolve())}
    found = sorted({path.resolve() for path in paths if path.exists()})
    before = {path: _mode(path) for path in found}
    try:
        reasons = {path: _close(path, _PASSAGE if path in ways else 0) for path in found}
        for path in found:
            _check_closed(path, _PASSAGE if path in ways else 0, reasons[path])
        for way in sorted(ways):
            _check_passable(way)
        yield
    finally:
        for path, mode in before.items():
            with suppress(OSError):  # a file of one job step, removed since
                path.chmod(mode)


def _chain(path: Path) -> tuple[Path, ...]:
    return (path, *path.parents)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _close(path: Path, kept: int) -> str:
    """Remove the permissions of others except `kept`; return the reason if that failed, else ""."""
    wanted = _mode(path) & ~_OF_OTHERS | kept
    try:
        if _mode(path) != wanted:
            path.chmod(wanted)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _check_closed(path: Path, kept: int, reason: str) -> None:
    """Raise EnvironmentFault if others can reach the path and have more rights than `kept`."""
    is_reachable = all(_mode(way) & _PASSAGE for way in path.parents)
    if is_reachable and _mode(path) & _OF_OTHERS & ~kept:
        raise EnvironmentFault(
            f"{path} cannot be closed to what agents and checks run as",
            why=reason or "its file system keeps no modes",
            next_step="mount it so that root may change its mode, or set `isolation: none` on a "
            "host runner, where only the split of the jobs protects",
        )


def _check_passable(way: Path) -> None:
    """Raise EnvironmentFault if others cannot enter the folder, or can replace its entries."""
    if not way.exists():
        return
    mode = _mode(way)
    if not mode & _PASSAGE:
        what, why = "is closed to what agents and checks run as", f"its mode is {mode:o}"
    elif mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        what, why = "can be changed by everybody", f"its mode is {mode:o}, without the sticky bit"
    else:
        return
    raise EnvironmentFault(
        f"{way} {what}",
        why=f"{why}, and worktrees lie below it",
        next_step="set RUNNER_TEMP to a folder that others can pass through but not change, or "
        "set `isolation: none`",
    )


def restrict_folder(folder: Path, *, shown: Collection[str]) -> None:
    """Let others enter the folder but not list it, and close all its entries except `shown`."""
    folder.chmod(_mode(folder) & ~_OF_OTHERS | _PASSAGE)
    for entry in folder.iterdir():
        if entry.name not in shown:
            entry.chmod(_mode(entry) & ~_OF_OTHERS)


def hand_over(folder: Path, *, like: Path) -> None:
    """Give the folder to the owner of `like`, so that the runner outside the container has it."""
    owner = like.stat()
    os.chown(folder, owner.st_uid, owner.st_gid)
