"""Moves away the files that an attempt left outside its worktree."""

from __future__ import annotations

import contextlib
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path

from concertmaster.errors import GitFault
from concertmaster.git.run_repository import RunRepository
from concertmaster.worktrees.place import TAG
from concertmaster.worktrees.removal import allow_entry, remove_special, walk_folders

LARGEST_COPY_BYTES = 256 << 20
# An attempt's folder, a draft, or the mark of the whole folder.
_OURS = re.compile(rf"[a-z0-9-]+-\d+-\w{{8}}|\.[\w-]+-\w{{8}}|{re.escape(TAG)}")


def undo_strays_above(cache: Path, repository: RunRepository) -> tuple[str, ...]:
    """Move everything in `cache` that is no attempt's folder to the run's strays.

    Returns its paths relative to an attempt's folder. A check reads configuration files that lie
    above its worktree.
    """
    strays = sorted(entry for entry in cache.iterdir() if not _OURS.fullmatch(entry.name))
    for stray in strays:
        with contextlib.suppress(FileNotFoundError):  # another thread moved it first
            put_aside(stray, repository.path.with_name("strays"))
    return tuple(f"../{stray.name}" for stray in strays)


def put_aside(stray: Path, keeping: Path, *, name: str = "") -> None:
    """Move the stray into `keeping`, without pipes, sockets and devices."""
    for entry in walk_folders(stray):
        remove_special(entry)
    if not remove_special(stray):
        keep_stray(stray, keeping, name=name)


def keep_copies(
    paths: Iterable[str], files: Path, keeping: Path, *, name: str, user: int = 0
) -> dict[str, str]:
    """Copy the files at the paths into a folder of this name in `keeping`.

    Returns the place of each copy by path. Links and files that are too large are not copied. With
    `user`, files of other users are not copied either: we may read what its user may not.
    """
    kept: dict[str, str] = {}
    for path in paths:
        source, copy = files / path, keeping / name / path
        with contextlib.suppress(OSError):  # such as a path that is too long
            found = source.lstat()
            is_own = not user or found.st_uid == user
            is_small = found.st_size <= LARGEST_COPY_BYTES
            if stat.S_ISREG(found.st_mode) and is_own and is_small:
                allow_entry(source)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.unlink(missing_ok=True)
                shutil.copyfile(source, copy, follow_symlinks=False)
                kept[path] = str(copy)
    return kept


def keep_stray(path: Path, keeping: Path, *, name: str = "") -> None:
    """Move the path into `keeping`, which is removed with the run.

    Raises GitFault when it cannot be copied as a whole.
    """
    keeping.mkdir(exist_ok=True)
    try:
        shutil.move(path, tempfile.mkdtemp(prefix=f"{name or path.name}-", dir=keeping))
    except (shutil.Error, RecursionError) as error:  # a very deep folder on another disk
        raise GitFault(f"{path} cannot be put aside", why="not all of it can be copied") from error
