"""Lets a repository find objects in the folders of others."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from concertmaster.git.repository import check_path


def add_alternates(git_dir: Path, *objects: Path) -> None:
    """Let the repository find the objects in these folders; it keeps no earlier ones.

    The paths must be absolute. Raises EnvironmentFault when one of them has a line break.
    """
    for folder in objects:
        check_path(folder)
    file = _file(git_dir)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(_text(objects))


def has_alternates(git_dir: Path, *objects: Path) -> bool:
    """Return whether the repository finds the objects in these folders and in no others."""
    file = _file(git_dir)
    return file.is_file() and file.read_bytes() == _text(objects)


def _file(git_dir: Path) -> Path:
    return git_dir / "objects" / "info" / "alternates"


def _text(objects: Iterable[Path]) -> bytes:
    # Only git itself reads quotes here; libgit2, dulwich and GitPython take them as part of the
    # path. An absolute path without a line break needs none.
    return b"".join(os.fsencode(folder) + b"\n" for folder in objects)
