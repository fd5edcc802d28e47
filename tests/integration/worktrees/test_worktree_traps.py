"""What an agent leaves in its worktree neither holds us up nor leads us outside."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from concertmaster.errors import GitFault
from concertmaster.git.command import Git, GitTimeout
from concertmaster.git.run_repository import RunRepository
from concertmaster.worktrees import staging
from concertmaster.worktrees.worktree import Worktree
from tests.integration.worktrees.attempts import changed, snap

PIPES = (".gitattributes", ".gitignore", "folder/.gitignore", "new/.gitignore", "new/.git/HEAD")


@pytest.mark.parametrize("place", PIPES)
def test_a_pipe_that_git_would_open_holds_nobody_up(
    worktree: Worktree,
    run: RunRepository,
    base: str,
    place: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(staging, "PATIENCE_SECONDS", 0.5)
    pipe = worktree.files / place
    pipe.parent.mkdir(parents=True, exist_ok=True)
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    for name in ("objects", "refs"):
        if place.endswith("HEAD"):
            (pipe.parent / name).mkdir()
    (worktree.files / "new.txt").touch()
    assert "new.txt" in changed(run, base, snap(worktree, base))


def test_git_is_ended_after_its_time_with_what_it_started(tmp_path: Path) -> None:
    git = Git(tmp_path, private=True)
    with pytest.raises(GitTimeout, match="git -c did not end"):
        git.ask("-c", "alias.wait=!sleep 1000", "wait", limit_seconds=0.2)


def test_a_file_that_is_too_large_to_read_is_left_out_and_told(
    worktree: Worktree, run: RunRepository, base: str
) -> None:
    for name in ("data.mdb", "a.txt"):
        with (worktree.files / name).open("wb") as file:
            file.truncate(3 << 40)
    snapshot = snap(worktree, base)
    assert changed(run, base, snapshot) == {}
    assert [note.split(" ")[0] for note in snapshot.notes] == ["a.txt", "data.mdb"]
    assert "larger than 1 GiB" in snapshot.notes[0]


def test_modes_outside_the_worktree_stay(
    worktree: Worktree, run: RunRepository, base: str, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "c.txt").touch()
    (outside / "c.txt").chmod(0)
    outside.chmod(0o500)
    (worktree.files / "folder" / "c.txt").unlink()
    (worktree.files / "folder").rmdir()
    (worktree.files / "folder").symlink_to(outside)
    (worktree.files / ".gitattributes").write_text("*.bad working-tree-encoding=NONE\n")
    (worktree.files / "x.bad").write_text("odd")
    assert changed(run, base, snap(worktree, base))["folder"] == "120000"
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (outside, outside / "c.txt")]
    assert modes == [0o500, 0]


def test_a_folder_that_stays_closed_is_no_deletion(
    worktree: Worktree, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (worktree.files / "folder").chmod(0)
    if os.access(worktree.files / "folder", os.R_OK):
        pytest.skip("root may read everything")
    monkeypatch.setattr(staging, "walk_folders", lambda _: None)
    with pytest.raises(GitFault):
        snap(worktree, base)
