"""Lets a repository find objects in the folders of others."""

from __future__ import annotations

from pathlib import Path

from concertmaster.git.repository import check_path


def add_alternates(git_dir: Path, *objects: Path) -> None:
    """Let the repository find the objects in these folders; it keeps no earlier ones.

    The paths must be absolute. Raises EnvironmentFault when one of them has a line break.
    """
    # Only git itself reads quotes here; libgit2, dulwich and GitPython take them as part of the
    # path. An absolute path without a line break needs none.
    for folder in objects:
        check_path(folder)
    file = git_dir / "objects" / "info" / "alternates"
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"{folder}\n" for folder in objects)
    file.write_text(lines, encoding="utf-8", errors="surrogateescape")
