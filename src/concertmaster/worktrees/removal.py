"""Removes folders, whatever permissions an agent gave them."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import uuid
from pathlib import Path


def is_folder(path: Path) -> bool:
    """Return whether the path is a folder; a symbolic link to one is not."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:  # missing, or the path is too long
        return False


def walk_folders(top: Path) -> list[Path]:
    """Return everything below `top` and make the folders in it accessible.

    Symbolic links are not followed. Entries whose path is too long for the system are left out.
    """
    found: list[Path] = []
    folders = [top] if is_folder(top) else []
    while folders:
        folder = folders.pop()
        allow_entry(folder)
        with contextlib.suppress(OSError):  # the path may be too long
            entries = [entry for entry in folder.iterdir() if os.path.lexists(entry)]
            found += entries
            folders += [entry for entry in entries if is_folder(entry)]
    return found


def allow_entry(path: Path) -> None:
    """Give ourselves the permissions that reading and removing need, if the system lets us."""
    with contextlib.suppress(OSError):
        mode = path.lstat().st_mode
        wanted = stat.S_IRWXU if stat.S_ISDIR(mode) else stat.S_IRUSR
        if not stat.S_ISLNK(mode) and mode & wanted != wanted:
            path.chmod(stat.S_IMODE(mode) | wanted)


def remove_special(path: Path) -> bool:
    """Remove a pipe, socket or device, which hold no data; return whether it was one."""
    kind = stat.S_IFMT(path.lstat().st_mode)
    if kind in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
        return False
    path.unlink()
    return True


def remove_folder(path: Path) -> None:
    """Remove a file, a symlink or a whole folder. Safe to repeat."""
    if not is_folder(path):
        path.unlink(missing_ok=True)
        return
    try:
        shutil.rmtree(path)
    except (OSError, RecursionError):  # too deep, closed, or too many folders open at a time
        _flatten(path)
        shutil.rmtree(path)


def _flatten(top: Path) -> None:
    """Move all folders below `top` directly into it and remove their files.

    `rmtree` then meets no path that is too long, no deep recursion and no folder it may not read.
    """
    folders = _open_folders(top)
    while folders:
        folder = folders.pop()
        folders += [inner.rename(top / uuid.uuid4().hex) for inner in _open_folders(folder)]
        for entry in folder.iterdir():
            entry.unlink()
        folder.rmdir()


def _take(folder: Path) -> None:
    """Make the folder accessible; as root also make it ours alone, so that it stays as it is."""
    if os.geteuid() != 0:
        allow_entry(folder)
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchown(descriptor, 0, 0)
        os.fchmod(descriptor, stat.S_IRWXU)
    finally:
        os.close(descriptor)


def _open_folders(folder: Path) -> list[Path]:
    """Return the folders in `folder`; they and `folder` are made accessible."""
    _take(folder)
    found = [entry for entry in folder.iterdir() if is_folder(entry)]
    for entry in found:
        allow_entry(entry)
    return found
