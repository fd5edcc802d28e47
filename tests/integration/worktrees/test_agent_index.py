"""Tests what an agent did to the index of its repository, which its files do not show."""

from __future__ import annotations

from pathlib import Path

import pytest

from concertmaster.git.run_repository import RunRepository
from concertmaster.worktrees.manager import Worktrees
from concertmaster.worktrees.worktree import Worktree
from tests.conftest import Project
from tests.integration.worktrees.attempts import BRANCH, changed, git, snap
from tests.integration.worktrees.test_hidden_work import bytes_in, kept_places


@pytest.fixture
def base(run: RunRepository, project: Project) -> str:
    project.commit("Folders", {"dir/x": "1\n", "far/x": "1\n", "far/y": "1\n"})
    (project.root / "tracked.ignored").write_text("secret\n")
    project.git("add", "--force", "tracked.ignored")
    project.git("commit", "--quiet", "--message=Ignored")
    return project.git("rev-parse", "HEAD")


@pytest.fixture
def worktree(worktrees: Worktrees, base: str) -> Worktree:
    worktrees.name_parts(target="main", base=base)
    made = worktrees.create(base, task="task", attempt=1, branch=BRANCH)
    made.begin(base)
    return made


SPARSE = {"cone": ["--cone"], "sparse-index": ["--cone", "--sparse-index"], "lines": ["--no-cone"]}


@pytest.mark.parametrize("way", SPARSE)
@pytest.mark.parametrize("then", ["edit", "commit"])
def test_a_checkout_that_the_agent_made_sparse_deletes_nothing(
    worktree: Worktree, run: RunRepository, base: str, way: str, then: str
) -> None:
    git(worktree, "sparse-checkout", "set", *SPARSE[way], "dir")
    assert not (worktree.files / "far").exists()
    (worktree.files / "dir" / "x").write_text("2\n")
    (worktree.files / "dir" / "x.ignored").touch()
    if then == "commit":
        git(worktree, "commit", "--quiet", "--all", "--message=two")
    snapshot = snap(worktree, base)
    assert changed(run, base, snapshot) == {"dir/x": "100644"}
    assert "the agent made its checkout sparse; " in snapshot.notes[0]
    (worktree.files / "dir" / "x").write_text("3\n")
    git(worktree, "sparse-checkout", "disable")
    (worktree.files / "far" / "x").unlink()
    modes = {"dir/x": "100644", "far/x": "000000"}
    assert changed(run, base, snap(worktree, base)) == modes


def test_an_entry_that_git_is_told_to_skip_is_part_of_the_change_where_its_file_is_there(
    worktree: Worktree, run: RunRepository, base: str
) -> None:
    for flag, path in (("--skip-worktree", "far/x"), ("--assume-unchanged", "far/y")):
        (worktree.files / path).write_text("2\n")
        git(worktree, "update-index", flag, path)
    (worktree.files / "dir" / "x").unlink()
    snapshot = snap(worktree, base)
    modes = {"far/x": "100644", "far/y": "100644", "dir/x": "000000"}
    assert changed(run, base, snapshot) == modes


UNTRACK = {
    "one": [["rm", "--quiet", "--cached", "tracked.ignored"]],
    "committed": [["rm", "--quiet", "--cached", "tracked.ignored"], ["commit", "-qmx"]],
    "all anew": [["rm", "-r", "--quiet", "--cached", "."], ["add", "."]],
}


@pytest.mark.parametrize("how", UNTRACK)
def test_an_ignored_file_that_the_agent_has_untracked_is_removed_from_the_repository(
    worktree: Worktree, run: RunRepository, base: str, how: str
) -> None:
    for command in UNTRACK[how]:
        git(worktree, *command)
    snapshot = snap(worktree, base)
    assert changed(run, base, snapshot) == {"tracked.ignored": "000000"}
    [place] = kept_places(snapshot)
    assert (place / "tracked.ignored").read_text() == "secret\n"


def test_a_file_that_is_not_ignored_stays_whatever_the_index_says(
    worktree: Worktree, run: RunRepository, base: str
) -> None:
    git(worktree, "read-tree", "--empty")
    assert changed(run, base, snap(worktree, base)) == {"tracked.ignored": "000000"}
    git(worktree, "update-index", "--force-remove", "far/x")
    assert "far/x" not in changed(run, base, snap(worktree, base))


def test_a_file_staged_in_a_split_index_is_kept(
    worktree: Worktree, run: RunRepository, project: Project, base: str
) -> None:
    git(worktree, "update-index", "--split-index")
    (worktree.files / "gone").write_text("WORK\n")
    (worktree.files / "x.ignored").write_text("forced\n")
    git(worktree, "add", "--force", "gone", "x.ignored")
    (worktree.files / "gone").unlink()
    snapshot = snap(worktree, base)
    [place] = kept_places(snapshot)
    assert b"WORK" in bytes_in(place, project)
    assert changed(run, base, snapshot) == {"x.ignored": "100644"}


@pytest.mark.parametrize("kind", ["blob", "tree", "tag"])
def test_a_file_that_only_a_reference_names_is_kept(
    worktree: Worktree, project: Project, base: str, kind: str, tmp_path: Path
) -> None:
    (tmp_path / "text").write_text("WORK\n")
    named = git(worktree, "hash-object", "-w", str(tmp_path / "text"))
    if kind == "tree":
        git(worktree, "update-index", "--add", "--cacheinfo", f"100644,{named},x")
        named = git(worktree, "write-tree")
        git(worktree, "update-index", "--force-remove", "x")
    if kind == "tag":
        git(worktree, "tag", "--annotate", "--message=one", "mine", named)
    else:
        git(worktree, "update-ref", "refs/keep/x", named)
    [place] = kept_places(snap(worktree, base))
    assert b"WORK" in bytes_in(place, project)
