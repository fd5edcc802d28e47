"""Records which attempt a folder belongs to and where its parts lie, and removes it."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from concertmaster.errors import EnvironmentFault
from concertmaster.files.untrusted import open_plain, read_document
from concertmaster.sandbox.shared_memory import remove_shared_memory
from concertmaster.sandbox.supervisor import end_users
from concertmaster.text.object_ids import is_object_id
from concertmaster.worktrees.closing import close_folders
from concertmaster.worktrees.removal import remove_folder

OWNER_FILE = "owner.json"
TREE_FOLDER = "tree"
GIT_FOLDER = "git"
TEMPORARY_FOLDER = "tmp"
HOME_FOLDER = "home"
_RESERVED = frozenset({OWNER_FILE, TREE_FOLDER, GIT_FOLDER, TEMPORARY_FOLDER, HOME_FOLDER})
_LONGEST_OWNER = 1 << 16
_RUN = re.compile(r"\w[\w-]*")  # part of a folder's name
_SHARED = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108  only searched for files of one owner
# A socket's path has at most 107 bytes, and tools put sockets deep into the temporary folder.
_SHORT = ("/tmp", "/var/tmp")  # noqa: S108  a new folder of ours in it, closed to others
_SHORT_PREFIX = "cm-"
_SHORT_NAME = re.compile(rf"({'|'.join(_SHORT)})/{_SHORT_PREFIX}\w{{8}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptOwner:
    """The attempt that a folder belongs to.

    `repository` is the path of the run's repository. `uid` is the user that the attempt's commands
    run as, or 0 if they have none of their own. `tree` is the path of the worktree in the folder.
    `temporary` is a short folder outside, or "" if the attempt's folder has its own. `port` is the
    first of the attempt's ports, or 0. `target` is the branch that stands at `base` in the
    attempt's repository, or "".
    """

    repository: str
    run: str
    task: str
    attempt: int
    branch: str
    uid: int = 0
    tree: str = TREE_FOLDER
    temporary: str = ""
    port: int = 0
    target: str = ""
    base: str = ""

    def places(self, folder: Path) -> AttemptPlaces:
        """Return where the parts of the attempt lie."""
        # The inner folder keeps its user from replacing the folder that we remove.
        inside = Path(self.temporary, "t") if self.temporary else folder / TEMPORARY_FOLDER
        return AttemptPlaces(
            files=folder / self.tree,
            git=folder / GIT_FOLDER,
            home=folder / HOME_FOLDER,
            temporary=inside,
            known=frozenset({OWNER_FILE, GIT_FOLDER, HOME_FOLDER, Path(self.tree).parts[0]})
            | (frozenset() if self.temporary else {TEMPORARY_FOLDER}),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptPlaces:
    """The parts of an attempt; `known` are the names of ours in its folder."""

    files: Path
    git: Path
    home: Path
    temporary: Path
    known: frozenset[str]


def tree_path(name: str) -> str:
    """Return the path of the worktree in an attempt's folder; its last part is the name.

    Tools call things by the folder that they work in.
    """
    if not name or "\0" in name or "/" in name or name in (".", ".."):
        return TREE_FOLDER
    return f"{TREE_FOLDER}/{name}" if name.lower() in _RESERVED else name


def make_short_folder(attempt: str) -> str:
    """Make a folder with a short path for the attempt, closed to other users.

    `attempt` is the name of the attempt's folder. Returns "" if no folder can be made.
    """
    for place in _short_folders(attempt):
        with contextlib.suppress(OSError):
            place.mkdir(mode=0o700)
            return str(place)
    return ""


def _short_folders(attempt: str) -> list[Path]:
    suffix = attempt.rpartition("-")[2]
    return [Path(root, _SHORT_PREFIX + suffix) for root in _SHORT]


def remove_short_folder(attempt: str) -> None:
    """Remove the attempt's short folder. An agent may have damaged the record that names it."""
    for place in _short_folders(attempt):
        with contextlib.suppress(FileNotFoundError, PermissionError):  # of another user
            if place.lstat().st_uid == os.getuid() and _SHORT_NAME.fullmatch(str(place)):
                remove_folder(place)


def share_folder(folder: Path, uid: int) -> None:
    """Let the user pass through the folder, but not list or change it; shut out all others.

    Does nothing where the user is 0.
    """
    if uid:
        os.chown(folder, -1, uid)
        folder.chmod(0o710)


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
    is_valid = is_valid and _has_valid_places(owner)
    return owner if is_valid and "\0" not in owner.repository else None


def _has_valid_places(owner: AttemptOwner) -> bool:
    name = owner.tree.rpartition("/")[2]
    is_short = not owner.temporary or _SHORT_NAME.fullmatch(owner.temporary) is not None
    is_known = not owner.target or _is_reference(owner.target, owner.base)
    return owner.tree in (TREE_FOLDER, tree_path(name)) and is_short and is_known


def _is_reference(name: str, commit: str) -> bool:
    """Return whether the name and the commit may be written as a file of git's references."""
    is_inside = "\0" not in name and not {"", ".", ".."} & {*name.split("/")}
    return is_inside and is_object_id(commit)


def discard_attempt(folder: Path) -> None:
    """Remove an attempt's folder and index after the end of its run."""
    owner = read_owner(folder)
    if owner is None:
        remove_folder(folder)
    else:
        remove_attempt(folder, owner.run)
        remove_index(Path(owner.repository), folder.name)


def index_file(repository: Path, name: str) -> Path:
    """Return the index of ours for the attempt's folder of this name.

    `repository` is the path of the run's repository.
    """
    return repository.with_name("indexes") / name


def remove_index(repository: Path, name: str) -> None:
    """Remove our index of an attempt and what lies beside it. Safe to repeat."""
    index = index_file(repository, name)
    others = (f"{name}.lock", f"{name}.ignored", f"{name}.theirs", f"{name}.given")
    for file in (index, start_file(repository, name), *map(index.with_name, others)):
        remove_folder(file)


def start_file(repository: Path, name: str) -> Path:
    """Return the record of the files at the start of the attempt's phase."""
    return repository.with_name("indexes") / f"{name}.start"


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
        for place in (folder, *_short_folders(folder.name)):
            close_folders(place, owner.uid)
        _remove_shared(owner.uid)
        remove_shared_memory(owner.uid)
    draft = folder.with_name(draft_prefix(run) + folder.name.rpartition("-")[2])
    remove_folder(draft)
    with contextlib.suppress(FileNotFoundError):
        folder.rename(draft)
    remove_short_folder(folder.name)
    remove_folder(draft)


def _remove_shared(uid: int) -> None:
    """Remove the user's files from the folders that all users can write to."""
    for place in filter(Path.is_dir, map(Path, _SHARED)):
        for entry in place.iterdir():
            with contextlib.suppress(FileNotFoundError):  # removed meanwhile by another attempt
                if entry.lstat().st_uid == uid:
                    close_folders(entry, uid)
                    remove_folder(entry)
