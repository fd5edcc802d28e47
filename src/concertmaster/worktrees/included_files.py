"""Copies ignored files of the checkout that `.worktreeinclude` names into a worktree.

The file lists patterns as in `.gitignore`. Only files that git ignores are copied, so a copy never
becomes part of a change.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from concertmaster.git.command import split_records
from concertmaster.git.repository import Repository
from concertmaster.sandbox.users import give_ownership
from concertmaster.worktrees.worktree import Worktree

INCLUDE_FILE = ".worktreeinclude"
MOST_BYTES = 1 << 30  # of all copies together


def copy_included(
    repository: Repository, patterns: bytes | None, worktree: Worktree
) -> tuple[str, ...]:
    """Copy what the patterns name; return notes on what is not copied.

    `patterns` is the content of `.worktreeinclude`, None where there is none. Call it before
    anything runs in the worktree. Links are never made or followed.
    """
    if not patterns or repository.root == repository.git_dir:
        return ()
    room, notes = MOST_BYTES, list[str]()
    for path in _find(repository, patterns):
        source, place = repository.root / path, worktree.files / path
        reason = _refuse(source, repository.root, room) or _copy(source, place)
        if reason:
            notes.append(f"{path} of {INCLUDE_FILE} is not copied: {reason}")
        else:
            room -= place.lstat().st_size
    if worktree.account is not None:
        give_ownership(worktree.files, worktree.account.uid)
    return tuple(notes)


def _find(repository: Repository, patterns: bytes) -> Sequence[str]:
    """Return the untracked files that the patterns match and that git ignores."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(patterns)
        file.flush()
        options = ("--others", "--ignored", "-z", f"--exclude-from={file.name}")
        named = repository.git.ask("ls-files", *options).out
    if not named:
        return ()
    return split_records(repository.git.ask("check-ignore", "-z", "--stdin", stdin=named).out)


def _refuse(source: Path, root: Path, room: int) -> str:
    """Return why the file is not copied, "" if it is."""
    if source.is_symlink() or not source.is_file():
        return "it is no file"
    if not source.parent.resolve().is_relative_to(root.resolve()):
        return "a folder above it is a link"
    if source.stat().st_size > room:
        return f"all together have more than {MOST_BYTES >> 20} MiB"
    return ""


def _copy(source: Path, place: Path) -> str:
    """Copy the file unless one is there already; return why it failed, "" if it did not."""
    if os.path.lexists(place):
        return "the commit has a file there"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, place, follow_symlinks=False)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def find_ignored(repository: Repository, *, most: int = 2000) -> tuple[str, ...]:
    """Return the untracked and ignored entries of the checkout; a folder ends with a slash.

    A folder without tracked files is one entry. A bare repository has none.
    """
    if repository.root == repository.git_dir:
        return ()
    options = ("--others", "--directory", "--no-empty-directory", "-z")
    return tuple(split_records(repository.git.ask("ls-files", *options).out)[:most])


def find_program(repository: Repository, entries: Sequence[str], program: str) -> str:
    """Return the path of a program in one of the ignored folders, "" if none has it."""
    if "/" in program:
        return ""
    for folder in (entry for entry in entries if entry.endswith("/")):
        for place in _program_places(folder, program):
            with suppress(OSError):
                if os.access(repository.root / place, os.X_OK):
                    return place
    return ""


def _program_places(folder: str, program: str) -> Iterator[str]:
    for inner in (".bin", "bin", ""):
        yield f"{folder}{inner}/{program}" if inner else f"{folder}{program}"
