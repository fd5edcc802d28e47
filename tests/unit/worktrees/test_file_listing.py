"""A listing shows what in a folder is new or has changed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from concertmaster.worktrees.file_listing import FileListing


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    top = tmp_path / "top"
    (top / "kept/inner").mkdir(parents=True)
    (top / "kept/inner/file").write_text("old")
    (top / "link").symlink_to(tmp_path)
    return top


def test_what_was_only_looked_at_is_as_it_was(folder: Path) -> None:
    before = FileListing.see(folder)
    (folder / "kept/inner/file").read_text()
    (folder / "kept/short-lived").touch()
    (folder / "kept/short-lived").unlink()

    assert FileListing.see(folder) == before
    assert not [path for path in before.entries if path.startswith("link/")]


def test_of_what_is_new_the_uppermost_is_named(folder: Path) -> None:
    before = FileListing.see(folder)
    (folder / "new/below").mkdir(parents=True)
    (folder / "new/below/file").touch()
    (folder / "kept/inner/another").touch()
    os.mkfifo(folder / "pipe")

    now = FileListing.see(folder)
    assert now.added_to(before) == ["kept/inner/another", "new", "pipe"]
    assert now.holds(before)
    assert not before.holds(now)


def point_elsewhere(top: Path) -> None:
    (top / "link").unlink()
    (top / "link").symlink_to("/")


def replace_by_link(top: Path) -> None:
    (top / "kept").rename(top.parent / "kept")
    (top / "kept").symlink_to(top.parent / "kept")


CHANGES: dict[str, Callable[[Path], object]] = {
    "another text": lambda top: (top / "kept/inner/file").write_text("newer"),
    "another mode": lambda top: (top / "kept/inner/file").chmod(0o700),
    "another time": lambda top: os.utime(top / "kept/inner/file", (1, 1)),
    "a folder that is closed": lambda top: (top / "kept").chmod(0o500),
    "another target": point_elsewhere,
    "gone": lambda top: (top / "kept/inner/file").unlink(),
    "moved": lambda top: (top / "kept").rename(top / "other"),
    "a link in the place of a folder": replace_by_link,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_has_changed_is_noticed(folder: Path, change: Callable[[Path], object]) -> None:
    before = FileListing.see(folder)
    change(folder)

    assert not FileListing.see(folder).holds(before)


def test_no_depth_is_too_deep(folder: Path) -> None:
    """Folders nest deeper than calls can, with a path that is too long for calls."""
    deepen = "import os\nfor _ in range(3000): os.mkdir('d'); os.chdir('d')"
    subprocess.run([sys.executable, "-c", deepen], cwd=folder, check=True)
    try:
        assert len(FileListing.see(folder).entries) > 1000
    finally:  # too deep for pytest's own cleanup
        subprocess.run(["rm", "-r", folder / "d"], check=True)
