"""An attempt has what tools expect: names, a target, remotes, ports and a short temporary path."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import pytest

from concertmaster.git.run_repository import RunRepository
from concertmaster.sandbox import ports
from concertmaster.worktrees.manager import Worktrees
from concertmaster.worktrees.owner import read_owner
from concertmaster.worktrees.variables import attempt_variables
from concertmaster.worktrees.worktree import Worktree
from tests.conftest import Project

LONGEST_SOCKET = 107


@pytest.fixture(autouse=True)
def own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the ports that other processes on this machine hold out of the tests."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def make(project: Project, folder: Path, *, name: str = "", target: str = "main") -> Worktrees:
    user = project.open()
    run = RunRepository.create(folder / "run" / "repository.git", user=user)
    made = Worktrees(run, user=user, cache=folder / "cache", run="r1")
    made.name_parts(target=target, name=name)
    return made


def create(worktrees: Worktrees, commit: str, number: int = 1) -> Worktree:
    branch = f"concertmaster/r1/task-{number}"
    return worktrees.create(commit, task="task", attempt=number, branch=branch)


def git(worktree: Worktree, *words: str) -> subprocess.CompletedProcess[str]:
    command = ["git", *words]
    return subprocess.run(command, cwd=worktree.files, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["shop", "git", "TMP", "home", "tree", "owner.json", ".dotfiles"])
def test_the_last_folder_is_called_like_the_repository(
    project: Project, tmp_path: Path, name: str
) -> None:
    base = project.git("rev-parse", "HEAD")
    worktree = create(make(project, tmp_path, name=name), base)
    assert worktree.files.name == name
    assert worktree.undo_strays() == ()
    (worktree.files.parent / "stray.txt").touch()
    assert [Path(stray).name for stray in worktree.undo_strays()] == ["stray.txt"]
    worktree.restore(base)
    assert git(worktree, "status", "--porcelain").stdout == ""
    worktree.remove()
    assert not worktree.folder.exists()


def test_the_target_stands_at_the_base_and_remotes_are_known(
    project: Project, tmp_path: Path
) -> None:
    first = project.git("rev-parse", "HEAD")
    project.git("remote", "add", "upstream", "https://ada:secret@host.invalid/shop.git")
    project.git("remote", "add", "origin", "../hub.git")
    project.git("update-ref", "refs/remotes/upstream/main", first)
    project.git("branch", "--quiet", "--set-upstream-to=upstream/main", "main")
    second = project.commit("More", {"more.txt": "more\n"})
    worktree = create(make(project, tmp_path), second)
    assert git(worktree, "diff", "--name-only", "main...HEAD").stdout == ""
    worktree.compare_with(first)
    assert git(worktree, "diff", "--name-only", "main...HEAD").stdout == "more.txt\n"
    assert git(worktree, "rev-parse", "upstream/main").stdout.strip() == first
    assert (
        git(worktree, "remote", "get-url", "upstream").stdout == "https://host.invalid/shop.git\n"
    )
    assert git(worktree, "remote", "get-url", "origin").stdout.strip() == str(tmp_path / "hub.git")
    assert "secret" not in (worktree.folder / "git" / "config").read_text()
    assert git(worktree, "rev-parse", "--abbrev-ref", "@{upstream}").stdout == "upstream/main\n"


def test_no_push_arrives(project: Project, tmp_path: Path) -> None:
    hub = tmp_path / "hub.git"
    project.git("clone", "--quiet", "--bare", ".", str(hub))
    project.git("remote", "add", "origin", str(hub))
    worktree = create(make(project, tmp_path), project.git("rev-parse", "HEAD"))
    for words in (("origin", "HEAD:x"), (str(hub), "HEAD:x"), ("--all", "origin")):
        assert git(worktree, "push", *words).returncode != 0
    assert git(worktree, "fetch", "--quiet", "origin").returncode == 0
    assert project.git("ls-remote", str(hub), "refs/heads/x") == ""


def test_attempts_have_ports_projects_and_temporary_folders_of_their_own(
    project: Project, tmp_path: Path
) -> None:
    base = project.git("rev-parse", "HEAD")
    worktrees = make(project, tmp_path, name="My Shop")
    one, other = create(worktrees, base, 1), create(worktrees, base, 2)
    told = [attempt_variables(w.owner, repository=w.files.name) for w in (one, other)]
    for name in ("PORT", "CONCERTMASTER_PORT_BASE", "COMPOSE_PROJECT_NAME"):
        assert told[0][name] != told[1][name]
    assert told[0]["COMPOSE_PROJECT_NAME"] == "my-shop-r1-task-1"
    assert (told[0]["CONCERTMASTER_TARGET"], told[0]["CONCERTMASTER_BASE"]) == ("main", base)
    listener = one.temporary / "pymp-12345678" / "listener-12345678"
    assert len(str(listener)) < LONGEST_SOCKET / 2
    for worktree in (one, other):
        worktrees.remove(worktree.folder)
        assert not worktree.temporary.parent.exists()


def test_the_ports_of_removed_attempts_are_given_to_later_ones(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "BLOCKS", 2)
    base = project.git("rev-parse", "HEAD")
    worktrees = make(project, tmp_path)
    stays = create(worktrees, base, 1)
    for number in range(2, 5):
        worktree = create(worktrees, base, number)
        assert worktree.owner.port not in (0, stays.owner.port)
        worktree.remove()
    assert create(worktrees, base, 5).owner.port
    assert create(worktrees, base, 6).owner.port == 0


def test_a_temporary_folder_that_a_restart_took_is_made_again(
    project: Project, tmp_path: Path
) -> None:
    worktrees = make(project, tmp_path)
    worktree = create(worktrees, project.git("rev-parse", "HEAD"))
    worktree.temporary.rmdir()
    worktree.temporary.parent.rmdir()
    opened = worktrees.open(worktree.folder)
    assert opened is not None
    assert opened.temporary.is_dir()
    (worktree.folder / "owner.json").write_text("{}")
    assert read_owner(worktree.folder) is None
    worktrees.remove(worktree.folder)
    assert not worktree.temporary.parent.exists()
