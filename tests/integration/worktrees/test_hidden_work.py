"""Tests that work which no file of the change shows is kept and told."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from concertmaster.git.run_repository import RunRepository
from concertmaster.worktrees.manager import Worktrees
from concertmaster.worktrees.worktree import Snapshot, Worktree
from tests.conftest import Project
from tests.integration.worktrees.attempts import BRANCH, changed, git, snap


def _stash(tree: Worktree) -> None:
    (tree.files / "a.txt").write_text("WORK\n")
    git(tree, "stash")


def _stash_untracked(tree: Worktree) -> None:
    (tree.files / "new.txt").write_text("WORK\n")
    git(tree, "stash", "--include-untracked")


def _side_branch(tree: Worktree) -> None:
    git(tree, "checkout", "--quiet", "-b", "side")
    (tree.files / "new.txt").write_text("WORK\n")
    git(tree, "add", ".")
    git(tree, "commit", "--quiet", "--message=side")
    git(tree, "checkout", "--quiet", BRANCH)


def _target_branch(tree: Worktree) -> None:
    (tree.files / "new.txt").write_text("WORK\n")
    git(tree, "add", ".")
    git(tree, "commit", "--quiet", "--message=side")
    git(tree, "checkout", "--quiet", "--detach", "HEAD~1")


def _tag(tree: Worktree) -> None:
    _target_branch(tree)
    git(tree, "tag", "--annotate", "--message=kept", "mine", BRANCH)
    git(tree, "branch", "--quiet", "-D", BRANCH)
    git(tree, "reflog", "expire", "--expire=now", "--all")


def _reset(tree: Worktree) -> None:
    (tree.files / "new.txt").write_text("WORK\n")
    git(tree, "add", ".")
    git(tree, "commit", "--quiet", "--message=dropped")
    git(tree, "reset", "--quiet", "--hard", "HEAD~1")


def _pack(tree: Worktree) -> None:
    _side_branch(tree)
    git(tree, "gc", "--quiet")


def _half_done_merge(tree: Worktree) -> None:
    git(tree, "checkout", "--quiet", "-b", "side")
    (tree.files / "a.txt").write_text("WORK\n")
    git(tree, "commit", "--quiet", "--all", "--message=side")
    git(tree, "checkout", "--quiet", BRANCH)
    (tree.files / "a.txt").write_text("mine\n")
    git(tree, "commit", "--quiet", "--all", "--message=mine")
    subprocess.run(["git", "merge", "side"], cwd=tree.files, capture_output=True, check=False)
    git(tree, "checkout", "--ours", "a.txt")


def _staged_and_removed(tree: Worktree) -> None:
    (tree.files / "new.txt").write_text("WORK\n")
    git(tree, "add", "new.txt")
    (tree.files / "new.txt").unlink()


def _inner_branch(tree: Worktree) -> None:
    inner = tree.files / "inner"
    for command in (
        ["init", "--quiet", "."],
        ["commit", "--quiet", "--allow-empty", "--message=one"],
        ["checkout", "--quiet", "-b", "side"],
    ):
        inner.mkdir(exist_ok=True)
        _commit_as_ada(inner, *command)
    (inner / "x").write_text("WORK\n")
    _commit_as_ada(inner, "add", ".")
    _commit_as_ada(inner, "commit", "--quiet", "--message=two")
    _commit_as_ada(inner, "checkout", "--quiet", "--detach", "HEAD~1")
    (inner / "y").touch()


def _commit_as_ada(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def _new_repository(tree: Worktree) -> None:
    (tree.files / ".git").unlink()
    git(tree, "init", "--quiet", ".")
    git(tree, "add", ".")
    _commit_as_ada(tree.files, "commit", "--quiet", "--message=one")
    (tree.files / "a.txt").write_text("WORK\n")
    _commit_as_ada(tree.files, "stash")


DOINGS = [
    *(_stash, _stash_untracked, _side_branch, _target_branch, _tag, _reset, _pack),
    *(_half_done_merge, _staged_and_removed, _inner_branch, _new_repository),
]


def kept_places(snapshot: Snapshot) -> list[Path]:
    """Return the places that the notes name."""
    found = [re.search(r"kept (?:as|in) (/.*)$", note) for note in snapshot.notes]
    return [Path(one[1]) for one in found if one]


def bytes_in(place: Path, project: Project) -> bytes:
    """Return everything in a bundle, as a user can fetch it, or in a file or folder."""
    if place.suffix != ".bundle":
        files = [place] if place.is_file() else [f for f in place.rglob("*") if f.is_file()]
        return b"".join(file.read_bytes() for file in files)
    refs = f"+refs/left/*:refs/test/{place.stem}/*"
    project.git("fetch", "--quiet", "--no-tags", str(place), refs)
    ids = project.git("rev-list", "--objects", f"--glob=refs/test/{place.stem}").split("\n")
    kinds = [(one.split(" ")[0], project.git("cat-file", "-t", one.split(" ")[0])) for one in ids]
    blobs = [one for one, kind in kinds if kind == "blob"]
    return "\n".join(project.git("cat-file", "blob", blob) for blob in blobs).encode()


@pytest.fixture
def worktree(worktrees: Worktrees, base: str) -> Worktree:
    worktrees.name_parts(target="main", base=base)
    return worktrees.create(base, task="task", attempt=1, branch=BRANCH)


@pytest.mark.parametrize("doing", DOINGS, ids=lambda doing: doing.__name__.strip("_"))
def test_work_that_no_file_shows_is_kept_in_a_bundle(
    worktree: Worktree, project: Project, base: str, doing: Callable[[Worktree], None]
) -> None:
    worktree.begin(base)
    doing(worktree)
    snapshot = snap(worktree, base)
    places = kept_places(snapshot)
    assert [place.suffix for place in places] == [".bundle"]
    assert kept_places(snap(worktree, base)) == places
    assert b"WORK" in bytes_in(places[0], project)


def test_drafts_that_the_agent_has_replaced_are_no_hidden_work(
    worktree: Worktree, base: str
) -> None:
    worktree.begin(base)
    for text in ("one", "two", "three"):
        (worktree.files / "a.txt").write_text(text)
        git(worktree, "commit", "--quiet", "--all", f"--message={text}")
    git(worktree, "commit", "--quiet", "--amend", "--message=another message")
    git(worktree, "branch", "here")
    (worktree.files / "a.txt").write_text("four")
    assert snap(worktree, base).notes == ()


@pytest.mark.parametrize("damage", ["alternates", "link", "garbage"])
def test_a_repository_that_git_must_not_or_cannot_read_is_copied(
    worktree: Worktree, project: Project, base: str, damage: str, tmp_path: Path
) -> None:
    worktree.begin(base)
    _stash(worktree)
    objects = worktree.folder / "git" / "objects"
    if damage == "alternates":
        (objects / "info" / "alternates").write_text(f"{tmp_path}\n")
    elif damage == "link":
        (objects / "aa").symlink_to(tmp_path)
    else:
        for file in [one for one in objects.glob("??/*") if one.is_file()]:
            file.chmod(0o644)
            file.write_bytes(b"garbage")
    [place] = kept_places(snap(worktree, base))
    assert (place / "refs" / "stash").is_file()
    assert not any(one.is_symlink() for one in place.rglob("*"))


FORCED = {"added": [], "committed": ["commit", "--quiet", "--message=forced"]}


@pytest.mark.parametrize("then", FORCED)
def test_an_ignored_file_that_was_forced_is_part_of_the_change(
    worktree: Worktree, run: RunRepository, base: str, then: str
) -> None:
    worktree.begin(base)
    for name in ("x.ignored", "y.ignored"):
        (worktree.files / name).write_text(name)
    git(worktree, "add", "--force", "x.ignored")
    if FORCED[then]:
        git(worktree, *FORCED[then])
    snapshot = snap(worktree, base)
    assert changed(run, base, snapshot) == {"x.ignored": "100644"}
    [place] = kept_places(snapshot)
    assert [file.read_text() for file in place.rglob("*.ignored")] == ["y.ignored"]


def test_an_index_of_an_agent_s_leads_nowhere(
    worktree: Worktree, run: RunRepository, base: str, tmp_path: Path
) -> None:
    worktree.begin(base)
    (tmp_path / "secret").write_text("SECRET")
    (worktree.files / "way").symlink_to(tmp_path)
    index = worktree.folder / "git" / "index"
    blob = git(worktree, "hash-object", "-w", "a.txt")
    for name in ("way/secret", "xx/secret"):
        git(worktree, "update-index", "--add", "--cacheinfo", f"100644,{blob},{name}")
    index.write_bytes(index.read_bytes().replace(b"xx/secret", b"../secret"))
    snapshot = snap(worktree, base)
    assert changed(run, base, snapshot) == {"way": "120000"}
    assert kept_places(snapshot) == []


def test_ignored_files_that_were_there_or_that_tools_make_are_not_told(
    worktree: Worktree, run: RunRepository, base: str
) -> None:
    (worktree.files / "old.ignored").write_text("old")
    (worktree.files / ".gitignore").write_text("*.ignored\nnode_modules/\nlib/\n*.pyc\n")
    worktree.begin(base)
    for name in ("node_modules/x", "lib/__pycache__/y", "z.pyc"):
        (worktree.files / name).parent.mkdir(parents=True, exist_ok=True)
        (worktree.files / name).touch()
    assert snap(worktree, base).notes == ()
    (worktree.files / "old.ignored").write_text("changed")
    (worktree.files / "lib" / "deep").mkdir()
    (worktree.files / "lib" / "deep" / "util").write_text("util")
    [note] = snap(worktree, base).notes
    assert note.startswith("git ignores lib/deep/util, old.ignored, so the change does not have it")


@pytest.fixture
def with_submodule(project: Project, tmp_path: Path) -> Worktree:
    """Return a worktree whose submodule `lib` setup has checked out."""
    library = Project(tmp_path / "library")
    project.git(*ALLOW, "submodule", "--quiet", "add", str(library.root), "lib")
    base = project.commit("Submodule", {".gitignore": "*.ignored\n"})
    user = project.open()
    run = RunRepository.create(tmp_path / "run" / "repository.git", user=user)
    worktrees = Worktrees(run, user=user, cache=tmp_path / "cache", run="r1")
    worktrees.name_parts(target="main", base=base)
    worktree = worktrees.create(base, task="task", attempt=1, branch=BRANCH)
    git(worktree, *ALLOW, "submodule", "--quiet", "update", "--init")
    worktree.begin(base)
    return worktree


ALLOW = ("-c", "protocol.file.allow=always")
IN_LIB = ("-C", "lib", "-c", "user.name=a", "-c", "user.email=b")
IN_SUBMODULE: dict[str, list[list[str]]] = {
    "edit": [],
    "commit": [["add", "."], ["commit", "--quiet", "-mx"]],
    "stash": [["stash", "--include-untracked"]],
    "branch": [["add", "."], ["checkout", "-qb", "side"], ["commit", "-qmx"], ["checkout", "-"]],
}


@pytest.mark.parametrize("how", IN_SUBMODULE)
def test_work_in_a_submodule_is_kept_and_lands_no_commit_that_nobody_can_fetch(
    with_submodule: Worktree, project: Project, tmp_path: Path, how: str
) -> None:
    (with_submodule.files / "lib" / "new.txt").write_text("WORK\n")
    for command in IN_SUBMODULE[how]:
        git(with_submodule, *IN_LIB, *command)
    base = project.git("rev-parse", "HEAD")
    snapshot = snap(with_submodule, base)
    assert snapshot.tree == project.git("rev-parse", "HEAD^{tree}")
    library = Project.__new__(Project)
    library.root = tmp_path / "library"
    [place] = kept_places(snapshot)
    assert b"WORK" in bytes_in(place, library)
    assert ("left as it was" in "".join(snapshot.notes)) == (how == "commit")


def test_files_in_the_place_of_a_submodule_are_kept(
    with_submodule: Worktree, project: Project
) -> None:
    git(with_submodule, "submodule", "--quiet", "deinit", "--force", "lib")
    (with_submodule.files / "lib" / "new.txt").write_text("WORK\n")
    snapshot = snap(with_submodule, project.git("rev-parse", "HEAD"))
    [place] = kept_places(snapshot)
    assert (place / "new.txt").read_text() == "WORK\n"


def test_a_repository_in_a_folder_with_files_of_the_base_is_looked_into(
    worktree: Worktree, project: Project, base: str
) -> None:
    worktree.begin(base)
    folder = worktree.files / "folder"
    for words in (["init", "--quiet", "."], ["add", "."], ["commit", "--quiet", "-mx"]):
        _commit_as_ada(folder, *words)
    (folder / "new.txt").write_text("WORK\n")
    _commit_as_ada(folder, "stash", "--include-untracked")
    [place] = kept_places(snap(worktree, base))
    assert b"WORK" in bytes_in(place, project)
