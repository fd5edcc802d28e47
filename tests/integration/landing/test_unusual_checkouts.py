"""Git is asked where the checkout is and which names are free, before any agent runs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from concertmaster.errors import EnvironmentFault, UsageError
from concertmaster.git.branches import check_room
from concertmaster.git.repository import Repository
from concertmaster.landing.target_branch import TargetAdvanced, advance_target
from concertmaster.planning.checkout import PlanRequest, open_checkout
from tests.conftest import Project


def separate(project: Project, store: Path) -> Path:
    project.git("init", "--quiet", f"--separate-git-dir={store}")
    return project.root


def link(project: Project, store: Path) -> Path:
    (project.root / ".git").rename(store)
    (project.root / ".git").symlink_to(store)
    return project.root


def submodule(project: Project, store: Path) -> Path:
    parent = Project(store)
    source = str(project.root)
    parent.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", source, "lib")
    return store / "lib"


def linked_worktree(project: Project, store: Path) -> Path:
    project.git("checkout", "--quiet", "--detach")
    project.git("worktree", "add", "--quiet", str(store), "main")
    return store


def hub(project: Project, store: Path) -> Path:
    bare = store / ".bare"
    project.git("clone", "--quiet", "--bare", ".", str(bare))
    subprocess.run(
        ["git", "worktree", "add", "--quiet", str(store / "main"), "main"], cwd=bare, check=True
    )
    return store / "main"


@pytest.mark.parametrize(
    "make", [separate, link, submodule, linked_worktree, hub], ids=lambda make: make.__name__
)
def test_a_result_reaches_the_files_of_the_checkout(
    project: Project, tmp_path: Path, make: object
) -> None:
    assert callable(make)
    root = make(project, tmp_path / "store")
    checkout = Project.__new__(Project)
    checkout.root = root
    checkout.git("config", "user.name", "Ada")
    checkout.git("config", "user.email", "ada@example.org")
    old = checkout.git("rev-parse", "main")
    checkout.git("checkout", "--quiet", "--detach")
    new = checkout.commit("New", {"new.txt": "new\n"})
    checkout.git("checkout", "--quiet", "main")
    assert not (root / "new.txt").exists()

    repository = Repository.open(root)
    assert advance_target(repository, "main", old=old, new=new) == TargetAdvanced()
    assert (root / "new.txt").read_text() == "new\n"
    assert checkout.git("status", "--porcelain") == ""


def test_the_main_worktree_is_reached_from_a_linked_one(project: Project, tmp_path: Path) -> None:
    project.git("worktree", "add", "--quiet", str(tmp_path / "linked"), "-b", "linked")
    old = project.git("rev-parse", "main")
    project.git("checkout", "--quiet", "--detach")
    new = project.commit("New", {"new.txt": "new\n"})
    project.git("checkout", "--quiet", "main")
    repository = Repository.open(tmp_path / "linked")
    assert advance_target(repository, "main", old=old, new=new) == TargetAdvanced()
    assert (project.root / "new.txt").exists()


def test_a_branch_without_a_commit_is_no_target_but_another_may_be(project: Project) -> None:
    project.git("checkout", "--quiet", "--orphan", "fresh")
    asked = PlanRequest(repository=project.root, prompts=(), options={})
    with pytest.raises(UsageError, match="fresh, has no commit yet") as caught:
        open_checkout(asked)
    assert "--target" in caught.value.next_step
    named = PlanRequest(repository=project.root, prompts=(), options={"target": "main"})
    assert open_checkout(named).commit == project.git("rev-parse", "main")


@pytest.mark.parametrize("name", ["concertmaster", "concertmaster/r-1", "concertmaster/r-1/landed"])
def test_a_branch_in_the_way_of_ours_is_told(project: Project, name: str) -> None:
    project.git("branch", name)
    project.git("pack-refs", "--all")
    repository = project.open()
    with pytest.raises(EnvironmentFault, match="git does not take the branch"):
        check_room(repository, "r-1", project.git("rev-parse", "main"))


def test_asking_for_room_changes_nothing(project: Project) -> None:
    before = [path for path in sorted((project.root / ".git").rglob("*")) if path.is_file()]
    check_room(project.open(), "r-1", project.git("rev-parse", "main"))
    assert [p for p in sorted((project.root / ".git").rglob("*")) if p.is_file()] == before


def test_a_folder_that_cannot_be_written_to_is_told(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = project.open()
    shutil.rmtree(project.root / ".git" / "refs")
    (project.root / ".git" / "refs").symlink_to("/proc/nowhere")
    with pytest.raises(EnvironmentFault) as caught:
        check_room(repository, "r-1", project.git("hash-object", "a.txt"))
    assert "can be written to" in caught.value.next_step
