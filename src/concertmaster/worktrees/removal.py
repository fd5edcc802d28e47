"""Removes folders whatever an agent did to their permissions."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import uuid
from pathlib import Path


def is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:  # there is nothing, or the path is too long
        return False


def walk_folders(top: Path) -> list[Path]:
    """Everything below that has a path of a possible length, made accessible on the way; symlinks
    are not followed."""
    found: list[Path] = []
    folders = [top] if is_folder(top) else []
    while folders:
        folder = folders.pop()
        allow_entry(folder)
        with contextlib.suppress(OSError):  # its path can be too long
            entries = [entry for entry in folder.iterdir() if os.path.lexists(entry)]
            found += entries
            folders += [entry for entry in entries if is_folder(entry)]
    return found


def allow_entry(path: Path) -> None:
    """Give ourselves the rights that reading and removing need, where that can be done."""
    with contextlib.suppress(OSError):
        mode = path.lstat().st_mode
        wanted = stat.S_IRWXU if stat.S_ISDIR(mode) else stat.S_IRUSR
        if not stat.S_ISLNK(mode) and mode & wanted != wanted:
            path.chmod(stat.S_IMODE(mode) | wanted)


def remove_special(path: Path) -> bool:
    """Pipes, sockets and devices hold no data; True when it was one."""
    kind = stat.S_IFMT(path.lstat().st_mode)
    if kind in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
        return False
    path.unlink()
    return True


def remove_folder(path: Path) -> None:
    """Remove a file, a symlink or a whole folder; safe to repeat."""
    if not is_folder(path):
        path.unlink(missing_ok=True)
        return
    try:
        shutil.rmtree(path)
    except (OSError, RecursionError):  # also of too many folders that are open at a time
        _flatten(path)
        shutil.rmtree(path)


def _flatten(top: Path) -> None:
    """Bring all folders below to the top and empty them: none lies too deep there for a call within
    calls or for the length of a path, and none is closed."""
    folders = _open_folders(top)
    while folders:
        folder = folders.pop()
        folders += [inner.rename(top / uuid.uuid4().hex) for inner in _open_folders(folder)]
        for entry in folder.iterdir():
            entry.unlink()
        folder.rmdir()


def _open_folders(folder: Path) -> list[Path]:
    """Those in the folder, which we may enter and change now, as the folder itself."""
    allow_entry(folder)
    found = [entry for entry in folder.iterdir() if is_folder(entry)]
    for entry in found:
        allow_entry(entry)
    return found
