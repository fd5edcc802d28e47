"""Undoes what an attempt left above its worktree."""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
from pathlib import Path

from concertmaster.errors import GitFault
from concertmaster.git.run_repository import RunRepository
from concertmaster.worktrees.removal import remove_special, walk_folders

_OURS = re.compile(r"[a-z0-9-]+-\d+-\w{8}|\.[\w-]+-\w{8}")  # an attempt's folder, a draft of one


def undo_strays_above(cache: Path, repository: RunRepository) -> tuple[str, ...]:
    """A check would find a configuration there, like all that lies above a worktree."""
    strays = sorted(entry for entry in cache.iterdir() if not _OURS.fullmatch(entry.name))
    for stray in strays:
        with contextlib.suppress(FileNotFoundError):  # another thread was faster
            put_aside(stray, repository.path.with_name("strays"))
    return tuple(f"../{stray.name}" for stray in strays)


def put_aside(stray: Path, keeping: Path, *, name: str = "") -> None:
    for entry in walk_folders(stray):
        remove_special(entry)
    if not remove_special(stray):
        keep_stray(stray, keeping, name=name)


def keep_stray(path: Path, keeping: Path, *, name: str = "") -> None:
    """Move it where nothing is removed before the run is."""
    keeping.mkdir(exist_ok=True)
    try:
        shutil.move(path, tempfile.mkdtemp(prefix=f"{name or path.name}-", dir=keeping))
    except (shutil.Error, RecursionError) as error:  # it lies on another disk, and very deep
        raise GitFault(f"{path} cannot be put aside", why="not all of it can be copied") from error
