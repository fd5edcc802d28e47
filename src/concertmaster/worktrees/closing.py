"""Closes the folders of an attempt to the users of other attempts.

An agent can open its folders to everybody and hand a descriptor of one to another agent, which
lives on. That agent could then swap a folder for a link while we, as root, work below it. So all
that is done in an attempt's folders comes after the end of its user's processes and after this.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

_OF_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def close_folders(top: Path, uid: int) -> None:
    """Let nobody but root and the user `uid` change an entry of `top` or of a folder below it.

    A folder is closed before its entries are listed. So none of them can be swapped any more when
    it is opened by its path. Links are not followed. Folders that another user made there are
    given to `uid`.
    """
    waiting = [str(top)]
    while waiting:
        folder = waiting.pop()
        with suppress(OSError):  # gone, or its path is too long for any program
            waiting += _close(folder, uid)


def _close(folder: str, uid: int) -> list[str]:
    """Close one folder and return the paths of the folders in it."""
    descriptor = os.open(folder, _OPEN)
    try:
        found = os.fstat(descriptor)
        if found.st_uid not in (0, uid):
            os.fchown(descriptor, uid, uid)
        if found.st_mode & _OF_OTHERS:
            os.fchmod(descriptor, stat.S_IMODE(found.st_mode) & ~_OF_OTHERS)
        with os.scandir(descriptor) as entries:
            return [
                f"{folder}/{entry.name}" for entry in entries if entry.is_dir(follow_symlinks=False)
            ]
    finally:
        os.close(descriptor)
