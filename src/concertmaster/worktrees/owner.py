"""Records which attempt owns a folder, and removes folders of ended runs."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from concertmaster.errors import EnvironmentFault
from concertmaster.files.untrusted import open_plain
from concertmaster.sandbox.supervisor import end_users
from concertmaster.worktrees.removal import remove_folder

OWNER_FILE = "owner.json"
TREE_FOLDER = "tree"
GIT_FOLDER = "git"
TEMPORARY_FOLDER = "tmp"
HOME_FOLDER = "home"
KNOWN_NAMES = frozenset({OWNER_FILE, TREE_FOLDER, GIT_FOLDER, TEMPORARY_FOLDER, HOME_FOLDER})
_LONGEST_OWNER = 1 << 16
_SHARED = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108  only looked through, by owner


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptOwner:
    """Whose attempt a folder is. `repository` is the path of the run's repository.

    `uid` is the user that its commands run as, where they have one of their own; else 0.
    """

    repository: str
    run: str
    task: str
    attempt: int
    branch: str
    uid: int = 0


def list_attempts(cache: Path) -> dict[Path, AttemptOwner]:
    """Every attempt's folder directly below `cache`, and whose it is."""
    folders = sorted(cache.iterdir()) if cache.is_dir() else []
    owners = ((folder, read_owner(folder)) for folder in folders)
    return {folder: owner for folder, owner in owners if owner is not None}


def read_owner(folder: Path) -> AttemptOwner | None:
    """An agent may have put anything in the place of the file."""
    place = folder / OWNER_FILE
    try:
        with open_plain(place, what="an owner", most_bytes=_LONGEST_OWNER) as descriptor:
            values = json.loads(os.read(descriptor, _LONGEST_OWNER))
        numbers = {"attempt": int(values["attempt"]), "uid": int(values.get("uid", 0))}
        return AttemptOwner(**{**values, **numbers})
    except (EnvironmentFault, OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def discard_attempt(folder: Path) -> None:
    """Remove an attempt's folder whose run is over."""
    owner = read_owner(folder)
    if owner is None:
        remove_folder(folder)
    else:
        remove_attempt(folder, owner.run)
        remove_folder(Path(owner.repository).with_name("indexes") / folder.name)


def draft_prefix(run: str) -> str:
    return f".{run}-"


def remove_attempt(folder: Path, run: str) -> None:
    """It becomes a draft again first, so that a folder that is half gone is never nobody's."""
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
    """What the user left where all users may write, for others to find."""
    for place in filter(Path.is_dir, map(Path, _SHARED)):
        for entry in place.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another attempt's, gone by itself
                if entry.lstat().st_uid == uid:
                    remove_folder(entry)
