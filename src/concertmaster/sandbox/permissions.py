"""What the commands of another user must not reach: closed before the first of them starts."""

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
    """Close the paths to users without groups, while the block runs.

    What is on the way to one of `passages` can still be passed through, but not listed. Rights of
    groups stay, for the machine may need them. Raises EnvironmentFault for what stays open, and
    for a passage that leads nowhere.
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
            with suppress(OSError):  # it was a file of one step, which is over
                path.chmod(mode)


def _chain(path: Path) -> tuple[Path, ...]:
    return (path, *path.parents)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _close(path: Path, kept: int) -> str:
    """Why it could not be done, or ""."""
    wanted = _mode(path) & ~_OF_OTHERS | kept
    try:
        if _mode(path) != wanted:
            path.chmod(wanted)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _check_closed(path: Path, kept: int, reason: str) -> None:
    is_reachable = all(_mode(way) & _PASSAGE for way in path.parents)
    if is_reachable and _mode(path) & _OF_OTHERS & ~kept:
        raise EnvironmentFault(
            f"{path} cannot be closed to what agents and checks run as",
            why=reason or "its file system keeps no modes",
            next_step="mount it so that root may change its mode, or set `isolation: none` on a "
            "host runner, where only the split of the jobs protects",
        )


def _check_passable(way: Path) -> None:
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


def leave_ajar(folder: Path, *, shown: Collection[str]) -> None:
    """Close all in the folder but `shown`; it can then be passed through, but not listed."""
    folder.chmod(_mode(folder) & ~_OF_OTHERS | _PASSAGE)
    for entry in folder.iterdir():
        if entry.name not in shown:
            entry.chmod(_mode(entry) & ~_OF_OTHERS)


def hand_over(folder: Path, *, like: Path) -> None:
    """Let whoever owns `like`, the runner outside of our container, have the folder as well."""
    owner = like.stat()
    os.chown(folder, owner.st_uid, owner.st_gid)
