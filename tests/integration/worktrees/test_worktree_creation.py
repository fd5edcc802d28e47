"""Worktrees are created, found again and removed."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import git as git_python
import pygit2
import pytest
from dulwich.object_store import tree_lookup_path
from dulwich.objects import Commit as DulwichCommit
from dulwich.repo import Repo as DulwichRepo

from concertmaster.errors import GitFault
from concertmaster.git.repository import Repository
from concertmaster.git.run_repository import RunRepository
from concertmaster.worktrees.manager import Worktrees
from concertmaster.worktrees.owner import list_attempts
from concertmaster.worktrees.worktree import Worktree
from tests.conftest import Project
from tests.integration.worktrees.attempts import BRANCH, changed, git, snap


def test_a_fresh_worktree_is_clean_and_on_its_branch(worktree: Worktree, base: str) -> None:
    assert git(worktree, "status", "--porcelain") == ""
    assert git(worktree, "symbolic-ref", "HEAD") == f"refs/heads/{BRANCH}"
    assert git(worktree, "rev-parse", "HEAD") == base
    assert (worktree.files / "folder" / "c.txt").read_text() == "c\n"
    assert stat.S_IMODE(worktree.folder.stat().st_mode) == 0o700
    assert worktree.temporary.is_dir()
    git(worktree, "fsck", "--strict")


def test_an_agent_finds_tags_identity_and_ignore_rules(
    run: RunRepository, project: Project, tmp_path: Path
) -> None:
    ignore = Path.home() / ".config" / "git" / "ignore"
    ignore.parent.mkdir(parents=True)
    ignore.write_text("*.personal")
    (project.root / ".git" / "info" / "exclude").write_text("*.excluded")
    project.git("config", "user.name", 'A "quoted" \\ name')
    user = project.open()
    run = RunRepository.create(tmp_path / "run2" / "repository.git", user=user)
    worktrees = Worktrees(run, user=user, cache=tmp_path / "cache", run="r1")
    base = user.resolve("HEAD")
    worktree = worktrees.create(base, task="task", attempt=1, branch=BRANCH)
    assert git(worktree, "config", "user.name") == 'A "quoted" \\ name'
    assert git(worktree, "rev-parse", "heavy^{commit}", "light").split() == [base, base]
    for name in ("a.personal", "b.excluded", "c.ignored", "d.kept"):
        (worktree.files / name).touch()
    assert git(worktree, "status", "--porcelain") == "?? d.kept"
    assert set(changed(run, base, snap(worktree, base))) == {"d.kept"}


def _read_with_gitpython(folder: Path) -> bytes:
    # The reader that aider uses; the default one asks git.
    with git_python.Repo(folder, odbt=git_python.GitDB) as repository:
        blob = repository.commit("HEAD").tree / "folder" / "c.txt"
        data: bytes = blob.data_stream.read()
    return data


def _read_with_dulwich(folder: Path) -> bytes:
    with DulwichRepo(str(folder)) as repository:
        commit = repository[repository.head()]
        assert isinstance(commit, DulwichCommit)
        _, sha = tree_lookup_path(repository.__getitem__, commit.tree, b"folder/c.txt")
        return repository[sha].as_raw_string()


def _read_with_libgit2(folder: Path) -> bytes:
    repository = pygit2.Repository(str(folder))
    blob = repository.head.peel(pygit2.Commit).tree["folder/c.txt"]
    assert isinstance(blob, pygit2.Blob)
    return blob.data


def test_a_repository_that_was_moved_has_worktrees_again(project: Project, tmp_path: Path) -> None:
    place, moved = project.root / ".git" / "run" / "repository.git", tmp_path / "moved"
    RunRepository.create(place, user=project.open())
    Worktrees(RunRepository.open(place), user=project.open(), cache=tmp_path / "c", run="r1")
    project.root.rename(moved)
    project.root = moved
    user, base = project.open(), project.git("rev-parse", "HEAD")
    run = RunRepository.create(moved / ".git" / "run" / "repository.git", user=user)
    worktrees = Worktrees(run, user=user, cache=tmp_path / "cache", run="r1")
    worktree = worktrees.create(base, task="task", attempt=1, branch=BRANCH)
    assert git(worktree, "log", "--format=%H") == base
    (worktree.files / "new.txt").touch()
    assert changed(run, base, snap(worktree, base)) == {"new.txt": "100644"}


def test_an_agent_signs_nothing(
    worktree: Worktree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign = "[commit]\n\tgpgSign = true\n[tag]\n\tgpgSign = true\n[gpg]\n\tprogram = none\n"
    (tmp_path / "gitconfig").write_text(sign)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    git(worktree, "commit", "--quiet", "--allow-empty", "--message=one")
    git(worktree, "tag", "--annotate", "--message=one", "mine")
    assert git(worktree, "cat-file", "-t", "mine") == "tag"


@pytest.mark.filterwarnings("ignore:GitDB is deprecated:DeprecationWarning")
@pytest.mark.parametrize("name", ["project", 'a "b" \\ #é'])
@pytest.mark.parametrize("read", [_read_with_gitpython, _read_with_dulwich, _read_with_libgit2])
def test_other_implementations_of_git_read_an_attempt(
    read: Callable[[Path], bytes], name: str, tmp_path: Path
) -> None:
    user = Project(tmp_path / name).open()
    run = RunRepository.create(user.git_dir / "run" / "repository.git", user=user)
    worktrees = Worktrees(run, user=user, cache=tmp_path / "cache", run="r1")
    worktree = worktrees.create(user.resolve("HEAD"), task="task", attempt=1, branch=BRANCH)
    assert read(worktree.files) == b"c\n"


def test_many_threads_make_worktrees_at_once(worktrees: Worktrees, base: str) -> None:
    def make(number: int) -> str:
        worktree = worktrees.create(base, task="task", attempt=number, branch=BRANCH)
        return git(worktree, "status", "--porcelain")

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(make, range(16))) == {""}


def test_a_worktree_is_found_again_by_its_folder_and_its_run(
    worktrees: Worktrees, worktree: Worktree, run: RunRepository, project: Project, tmp_path: Path
) -> None:
    found = worktrees.open(worktree.folder)
    assert found is not None
    assert found.owner == worktree.owner
    cache = tmp_path / "cache"
    assert list_attempts(cache) == {worktree.folder: worktree.owner}
    (cache / "not-ours").mkdir()
    assert worktrees.open(cache / "not-ours") is None
    assert worktrees.open(cache / "missing") is None
    assert Worktrees(run, user=project.open(), cache=cache, run="r2").open(worktree.folder) is None
    assert list_attempts(tmp_path / "missing") == {}


def test_removing_leaves_nothing_behind(
    worktree: Worktree, run: RunRepository, tmp_path: Path
) -> None:
    locked = worktree.files / "locked"
    locked.mkdir()
    (locked / "x").touch()
    locked.chmod(0)
    for _ in range(2):
        worktree.remove()
    assert list((tmp_path / "cache").iterdir()) == []
    assert list((run.path.parent / "indexes").iterdir()) == []


def test_a_worktree_that_cannot_be_made_leaves_nothing_behind(
    worktrees: Worktrees, base: str, tmp_path: Path
) -> None:
    for commit, branch in (("0" * 40, BRANCH), (base, "../../escape"), (base, "a..b"), ("x", "b")):
        with pytest.raises(GitFault):
            worktrees.create(commit, task="task", attempt=1, branch=branch)
    assert list((tmp_path / "cache").iterdir()) == []


def test_the_user_sees_nothing_of_all_this(
    project: Project, run: RunRepository, worktrees: Worktrees, base: str
) -> None:
    project.write({"b.txt": "stashed\n"})
    project.git("stash", "push", "--quiet")
    project.write({"a.txt": "changed\n", "folder/c.txt": "staged\n", "new.txt": "untracked\n"})
    project.git("add", "folder/c.txt")

    def everything() -> dict[Path, bytes]:
        files = (path for path in project.root.rglob("*") if path.is_file())
        return {path: path.read_bytes() for path in files}

    before = everything()
    worktree = worktrees.create(base, task="task", attempt=1, branch=BRANCH)
    (worktree.files / "a.txt").write_text("by the agent\n")
    git(worktree, "stash")
    git(worktree, "config", "core.hooksPath", "/nonexistent")
    git(worktree, "tag", "agents")
    git(worktree, "stash", "pop")
    snapshot = snap(worktree, base)
    worktree.restore(snapshot.commit)
    worktree.remove()
    assert everything() == before


def test_a_submodule_is_a_change_only_when_it_moves(tmp_path: Path, project: Project) -> None:
    library = Project(tmp_path / "library")
    allow = ("-c", "protocol.file.allow=always")
    project.git(*allow, "submodule", "--quiet", "add", str(library.root), "lib")
    base = project.commit("Submodule", {})
    user = project.open()
    run = RunRepository.create(tmp_path / "run" / "repository.git", user=user)
    worktrees = Worktrees(run, user=user, cache=tmp_path / "cache", run="r1")
    worktree = worktrees.create(base, task="task", attempt=1, branch=BRANCH)
    assert snap(worktree, base).tree == run.tree(base)
    git(worktree, *allow, "submodule", "--quiet", "update", "--init")
    assert snap(worktree, base).tree == run.tree(base)
    library.commit("Second", {"second": "2"})
    git(worktree, "-C", "lib", *allow, "pull", "--quiet", "origin", "main")
    snapshot = snap(worktree, base)
    assert (changed(run, base, snapshot), snapshot.notes) == ({"lib": "160000"}, ())


def test_a_shallow_clone_has_worktrees(tmp_path: Path, project: Project) -> None:
    project.commit("Second", {"a.txt": "2\n"})
    project.git("clone", "--quiet", "--depth=1", f"file://{project.root}", str(tmp_path / "clone"))
    user = Repository.open(tmp_path / "clone")
    run = RunRepository.create(tmp_path / "run" / "repository.git", user=user)
    worktrees = Worktrees(run, user=user, cache=tmp_path / "cache", run="r1")
    base = user.resolve("HEAD")
    worktree = worktrees.create(base, task="task", attempt=1, branch=BRANCH)
    assert git(worktree, "log", "--format=%H") == base


LFS = """#!/bin/sh
case "$1" in
clean) echo "pointer $(cat)" ;;
smudge) sed 's/^pointer //' ;;
*) exit 1 ;;
esac
"""


def test_the_one_filter_that_runs_is_lfs(
    tmp_path: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "git-lfs").write_text(LFS)
    (programs / "git-lfs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    base = project.commit("LFS", {"deep/.gitattributes": "*.bin filter=lfs\n"})
    user = project.open()
    plain = RunRepository.create(tmp_path / "plain" / "repository.git", user=user)
    assert "lfs" not in (plain.path / "config").read_text()
    run = RunRepository.create(tmp_path / "run" / "repository.git", user=user, base=base)
    config = run.path / "config"
    # The stand-in does not speak the protocol of long-running filters.
    config.write_text(config.read_text().replace("process =", "ignored ="))
    worktrees = Worktrees(run, user=user, cache=tmp_path / "cache", run="r1")
    worktree = worktrees.create(base, task="task", attempt=1, branch=BRANCH)
    (worktree.files / "deep" / "x.bin").write_text("content\n")
    snapshot = snap(worktree, base)
    assert run.git.run("cat-file", "blob", f"{snapshot.commit}:deep/x.bin") == "pointer content"
    worktree.restore(snapshot.commit)
    assert (worktree.files / "deep" / "x.bin").read_text() == "content\n"


def test_folders_that_nobody_wrote_down_are_discarded(
    worktrees: Worktrees, worktree: Worktree, base: str, tmp_path: Path
) -> None:
    worktrees.create(base, task="train", attempt=1, branch=BRANCH)
    worktrees.discard_others({worktree.folder.name})
    assert [*(tmp_path / "cache").iterdir()] == [worktree.folder]


def test_a_folder_is_known_however_far_its_making_or_removal_came(
    worktrees: Worktrees, worktree: Worktree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(path: Path) -> None:
        raise KeyboardInterrupt

    (worktree.folder / "owner.json").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", die)
        with pytest.raises(KeyboardInterrupt):
            worktree.remove()
    assert [*(tmp_path / "cache").iterdir()]
    worktrees.discard_others(())
    assert not [*(tmp_path / "cache").iterdir()]


@pytest.mark.parametrize("record", ["a pipe", "brackets", "a device"])
def test_a_record_that_cannot_be_read_holds_nobody_up(
    worktrees: Worktrees, worktree: Worktree, tmp_path: Path, record: str
) -> None:
    file = worktree.folder / "owner.json"
    file.unlink()
    match record:
        case "a pipe":
            os.mkfifo(file)
        case "brackets":
            file.write_text("[" * 100_000)
        case _:
            file.symlink_to("/dev/zero")

    assert worktrees.open(worktree.folder) is None
    assert list_attempts(tmp_path / "cache") == {}
    worktrees.remove(worktree.folder)
    assert not worktree.folder.exists()


def test_folders_of_other_runs_stay(
    worktree: Worktree, run: RunRepository, project: Project, tmp_path: Path
) -> None:
    other = Worktrees(run, user=project.open(), cache=tmp_path / "cache", run="r2")
    other.discard_others(())
    assert worktree.folder.exists()


def test_a_worktree_that_is_gone_comes_back_under_its_name(
    worktrees: Worktrees, worktree: Worktree, base: str
) -> None:
    shutil.rmtree(worktree.folder)
    name = worktree.folder.name
    again = worktrees.create(base, task="task", attempt=1, branch=BRANCH, name=name)
    assert again.folder == worktree.folder
    assert worktrees.open(worktree.folder) is not None


def test_what_lies_in_the_place_of_a_renewed_worktree_is_kept(
    worktrees: Worktrees, worktree: Worktree, base: str, run: RunRepository
) -> None:
    (worktree.files / "work.txt").write_text("unsaved")
    (worktree.folder / "owner.json").write_text("{}")
    name = worktree.folder.name
    worktrees.create(base, task="task", attempt=1, branch=BRANCH, name=name)
    (kept,) = run.path.with_name("strays").rglob("work.txt")
    assert kept.read_text() == "unsaved"
