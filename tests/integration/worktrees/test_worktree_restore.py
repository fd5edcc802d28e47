"""Worktrees are restored, whatever an attempt left in them and beside them."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from concertmaster.errors import GitFault
from concertmaster.git.run_repository import RunRepository
from concertmaster.worktrees.manager import Worktrees
from concertmaster.worktrees.worktree import Worktree
from tests.integration.worktrees.attempts import BRANCH, changed, git, lengthen, snap


def test_a_worktree_that_leads_elsewhere_is_refused_and_restored(
    worktree: Worktree, run: RunRepository, base: str, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "x").write_text("precious\n")
    worktree.files.rename(worktree.folder / "moved")
    worktree.files.symlink_to(precious)
    with pytest.raises(GitFault):
        snap(worktree, base)
    worktree.restore(base)
    assert (worktree.files / "a.txt").read_text() == "a\n"
    assert not worktree.files.is_symlink()
    assert (precious / "x").read_text() == "precious\n"
    assert [path.name for path in precious.iterdir()] == ["x"]


def test_restoring_undoes_all_but_the_ignored_files(
    worktrees: Worktrees, worktree: Worktree, run: RunRepository, base: str
) -> None:
    (worktree.files / "a.txt").write_text("checkpoint\n")
    checkpoint = snap(worktree, base).commit
    (worktree.files / ".venv").mkdir()
    (worktree.files / ".venv" / "python").write_text("installed\n")
    (worktree.files / "a.txt").write_text("half done\n")
    (worktree.files / "b.txt").unlink()
    (worktree.files / "new").mkdir()
    (worktree.files / "new" / "x").touch()
    subprocess.run(["git", "init", "--quiet", str(worktree.files / "sub")], check=True)
    git(worktree, "checkout", "--quiet", "-b", "agents")
    git(worktree, "config", "core.fsmonitor", "evil")
    found = worktrees.open(worktree.folder)
    assert found is not None
    lock = run.path.parent / "indexes" / f"{worktree.folder.name}.lock"
    lock.touch()
    saved = snap(found, checkpoint)
    assert "new/x" in changed(run, checkpoint, saved)
    lock.touch()
    found.restore(checkpoint)
    assert snap(found, checkpoint).tree == run.tree(checkpoint)
    assert (worktree.files / "a.txt").read_text() == "checkpoint\n"
    assert (worktree.files / ".venv" / "python").read_text() == "installed\n"
    assert not (worktree.files / "sub").exists()
    assert git(worktree, "symbolic-ref", "HEAD") == f"refs/heads/{BRANCH}"
    assert git(worktree, "status", "--porcelain") == ""
    assert git(worktree, "config", "--default", "none", "--get", "core.fsmonitor") == "none"


def test_restoring_can_undo_what_is_ignored_as_well(worktree: Worktree, base: str) -> None:
    (worktree.files / "kept.ignored").touch()
    worktree.restore(base)
    assert (worktree.files / "kept.ignored").exists()

    (worktree.files / ".venv/bin").mkdir(parents=True)
    worktree.restore(base, with_ignored=True)
    assert git(worktree, "status", "--porcelain", "--ignored") == ""


def test_what_lies_beside_the_worktree_is_moved_away_and_kept(
    worktree: Worktree, run: RunRepository
) -> None:
    (worktree.folder / "conftest.py").write_text("evil\n")
    (worktree.folder / "node_modules").mkdir()
    os.mkfifo(worktree.folder / "node_modules" / "pipe")
    os.mkfifo(worktree.folder / "pipe")
    (worktree.folder / "link").symlink_to("/")
    assert worktree.undo_strays() == ("conftest.py", "link", "node_modules", "pipe")
    assert worktree.undo_strays() == ()
    kept = {path.name for path in (run.path.parent / "strays").glob("*/*")}
    assert kept == {"conftest.py", "link", "node_modules"}
    assert git(worktree, "status", "--porcelain") == ""


DEEPEN = """
import os
for number in range(1100):
    open("file", "w").close()
    os.mkdir("dddd")
    os.chdir("dddd")
os.chmod("..", 0o500)
"""


def test_folders_that_lie_too_deep_for_anybody_are_removed(
    worktrees: Worktrees, worktree: Worktree, base: str, tmp_path: Path
) -> None:
    """Folders nest deeper than calls can (1000), with a path too long for calls (4096 bytes)."""
    (worktree.files / ".venv").mkdir()
    before = worktree.list_contents()
    for place in (worktree.files / ".venv", worktree.temporary):
        subprocess.run([sys.executable, "-c", DEEPEN], cwd=place, check=True)

    assert worktree.remove_new(before)
    assert not list((worktree.files / ".venv").iterdir())
    worktrees.remove(worktree.folder)
    assert not list((tmp_path / "cache").iterdir())


def test_folders_are_removed_of_which_not_all_can_be_open_at_a_time(
    worktrees: Worktrees, worktree: Worktree, tmp_path: Path
) -> None:
    subprocess.run(
        [sys.executable, "-c", DEEPEN.replace("1100", "400")], cwd=worktree.temporary, check=True
    )
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened = len(list(Path("/proc/self/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (opened + 200, hard))
    try:
        worktrees.remove(worktree.folder)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert not list((tmp_path / "cache").iterdir())


def test_restoring_leaves_ignored_files_whose_path_is_too_long(
    worktree: Worktree, base: str
) -> None:
    lengthen(worktree.files / ".venv")
    (worktree.files / "a.txt").write_text("changed\n")
    worktree.restore(base)
    assert git(worktree, "status", "--porcelain") == ""


@pytest.mark.parametrize("is_other_disk", [False, True])
def test_what_lies_beside_the_worktree_with_too_long_a_path_costs_no_more_than_the_attempt(
    worktree: Worktree, run: RunRepository, monkeypatch: pytest.MonkeyPatch, is_other_disk: bool
) -> None:
    lengthen(worktree.folder / "stray")
    if not is_other_disk:
        assert worktree.undo_strays() == ("stray",)
        assert [path.name for path in (run.path.parent / "strays").glob("*/*")] == ["stray"]
        return

    def rename(*_: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(GitFault, match="stray cannot be put aside"):
        worktree.undo_strays()
    assert (worktree.folder / "stray").exists()
