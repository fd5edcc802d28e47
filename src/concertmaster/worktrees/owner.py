"""Records which attempt a folder belongs to, and removes attempts' folders."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from concertmaster.errors import EnvironmentFault
from concertmaster.files.untrusted import open_plain, read_document
from concertmaster.sandbox.supervisor import end_users
from concertmaster.worktrees.removal import remove_folder

OWNER_FILE = "owner.json"
TREE_FOLDER = "tree"
GIT_FOLDER = "git"
TEMPORARY_FOLDER = "tmp"
HOME_FOLDER = "home"
KNOWN_NAMES = frozenset({OWNER_FILE, TREE_FOLDER, GIT_FOLDER, TEMPORARY_FOLDER, HOME_FOLDER})
_LONGEST_OWNER = 1 << 16
_RUN = re.compile(r"\w[\w-]*")  # part of a folder's name
_SHARED = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108  only searched for files of one owner


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptOwner:
    """The attempt that a folder belongs to.

    `repository` is the path of the run's repository. `uid` is the user that the attempt's commands
    run as, or 0 if they have none of their own.
    """

    repository: str
    run: str
    task: str
    attempt: int
    branch: str
    uid: int = 0


def list_attempts(cache: Path) -> dict[Path, AttemptOwner]:
    """Return the owner of every attempt's folder directly below `cache`, by folder."""
    folders = sorted(cache.iterdir()) if cache.is_dir() else []
    owners = ((folder, read_owner(folder)) for folder in folders)
    return {folder: owner for folder, owner in owners if owner is not None}


def read_owner(folder: Path) -> AttemptOwner | None:
    """Return the owner of the folder, or None if its record is missing or invalid.

    An agent may have put anything in the place of the record.
    """
    place, what = folder / OWNER_FILE, "the record of an attempt"
    try:
        with open_plain(place, what=what, most_bytes=_LONGEST_OWNER) as descriptor:
            owner = read_document(os.read(descriptor, _LONGEST_OWNER), AttemptOwner, what=what)
    except (EnvironmentFault, OSError):
        return None
    is_valid = _RUN.fullmatch(owner.run) and Path(owner.repository).is_absolute()
    return owner if is_valid and "\0" not in owner.repository else None


def discard_attempt(folder: Path) -> None:
    """Remove an attempt's folder and index after the end of its run."""
    owner = read_owner(folder)
    if owner is None:
        remove_folder(folder)
    else:
        remove_attempt(folder, owner.run)
        remove_folder(Path(owner.repository).with_name("indexes") / folder.name)


def draft_prefix(run: str) -> str:
    """Return the start of the names of folders that are being made or removed."""
    return f".{run}-"


def remove_attempt(folder: Path, run: str) -> None:
    """End the attempt's processes, if it has a user of its own, and remove its folder.

    The folder first gets a draft's name, so that after a crash `discard_others` finds what is left.
    """
    owner = read_owner(folder)
    if owner and owner.uid:
        end_users([owner.uid])
        _remove_shared(owner.uid)
    draft = folder.with_name(draft_prefix(run) + folder.name.rpartition("-")[2])
    remove_folder(draft)
    with contextlib.suppress(FileNotFoundError):
        folder.rename(draft)
    remove_folder(draft)


def _remove_shared(uid: int) -> None:
    """Remove the user's files from the folders that all users can write to."""
    for place in filter(Path.is_dir, map(Path, _SHARED)):
        for entry in place.iterdir():
            with contextlib.suppress(FileNotFoundError):  # removed meanwhile by another attempt
                if entry.lstat().st_uid == uid:
                    remove_folder(entry)
