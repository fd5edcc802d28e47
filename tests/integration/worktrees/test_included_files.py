"""Ignored files that `.worktreeinclude` names are copied, never linked, and never committed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from concertmaster.git.repository import Repository
from concertmaster.git.run_repository import RunRepository
from concertmaster.worktrees import included_files
from concertmaster.worktrees.included_files import copy_included, find_ignored, find_program
from concertmaster.worktrees.manager import Worktrees
from concertmaster.worktrees.worktree import Worktree
from tests.conftest import Project
from tests.integration.worktrees.attempts import BRANCH

PATTERNS = "# of this machine\n.env*\n!.env.example\nconfig/*.local\n*.ignored\nfree.txt\na.txt\n"
IGNORED = "*.ignored\n.venv/\n.env*\n*.local\n"


@pytest.fixture
def shop(project: Project, run: RunRepository) -> Repository:
    project.commit("Include", {".worktreeinclude": PATTERNS, ".gitignore": IGNORED})
    project.write({".env": "KEY=1\n", ".env.example": "KEY=\n", "config/dev.local": "x\n"})
    project.write({"free.txt": "not ignored\n", "a.txt": "changed by the user\n"})
    return project.open()


def make(worktrees: Worktrees, repository: Repository) -> tuple[Worktree, str]:
    commit = repository.resolve("HEAD")
    return worktrees.create(commit, task="task", attempt=1, branch=BRANCH), commit


def copy_named(shop: Repository, commit: str, worktree: Worktree) -> tuple[str, ...]:
    return copy_included(shop, shop.read_file(commit, ".worktreeinclude"), worktree)


def test_ignored_files_are_copied_and_others_are_not(
    shop: Repository, worktrees: Worktrees
) -> None:
    worktree, commit = make(worktrees, shop)
    assert copy_named(shop, commit, worktree) == ()
    assert (worktree.files / ".env").read_text() == "KEY=1\n"
    assert (worktree.files / "config" / "dev.local").read_text() == "x\n"
    assert (worktree.files / "a.txt").read_text() == "a\n"
    for name in ("free.txt", ".env.example"):
        assert not (worktree.files / name).exists()
    (worktree.files / ".env").write_text("changed by an agent\n")
    assert (shop.root / ".env").read_text() == "KEY=1\n"
    taken = worktree.snapshot(parent=commit, message="x", at=0)
    assert taken.tree == shop.git.run("rev-parse", f"{commit}^{{tree}}")


def test_links_and_files_behind_links_are_left_out_with_a_note(
    shop: Repository, worktrees: Worktrees, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret\n")
    (shop.root / "link.ignored").symlink_to(tmp_path / "secret")
    os.mkfifo(shop.root / "pipe.ignored")
    worktree, commit = make(worktrees, shop)
    notes = copy_named(shop, commit, worktree)
    assert [note.partition(" ")[0] for note in notes] == ["link.ignored"]
    assert not (worktree.files / "link.ignored").exists()


def test_more_than_there_is_room_for_is_told(
    shop: Repository, worktrees: Worktrees, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(included_files, "MOST_BYTES", 4)
    worktree, commit = make(worktrees, shop)
    assert any(".env of .worktreeinclude" in note for note in copy_named(shop, commit, worktree))


def test_what_lies_about_in_the_checkout_is_found(shop: Repository) -> None:
    program = shop.root / ".venv" / "bin" / "flake8"
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    entries = find_ignored(shop)
    assert {".env", ".venv/", "free.txt"} <= set(entries)
    assert find_program(shop, entries, "flake8") == ".venv/bin/flake8"
    assert find_program(shop, entries, "mypy") == find_program(shop, entries, "../x") == ""
