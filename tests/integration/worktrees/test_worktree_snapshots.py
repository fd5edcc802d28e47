"""Snapshots hold the files of a worktree and never run what an agent configured."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from concertmaster.git.run_repository import RunRepository
from concertmaster.worktrees.manager import Worktrees
from concertmaster.worktrees.worktree import Worktree
from tests.integration.worktrees.attempts import BRANCH, changed, git, lengthen, plant, snap


def test_what_an_agent_s_program_leaves_behind_is_no_change(
    run: RunRepository, worktrees: Worktrees, base: str
) -> None:
    worktree = worktrees.create(base, task="task", attempt=1, branch=BRANCH)
    cache = worktree.files / ".aider.tags.cache.v4"
    cache.mkdir()
    (cache / "cache.db").touch()

    assert changed(run, base, snap(worktree, base)) == {}


def test_a_snapshot_holds_what_the_files_are(
    worktree: Worktree, run: RunRepository, base: str
) -> None:
    strange = os.fsdecode(b"new\nline-\xff.txt")
    (worktree.files / "a.txt").write_text("changed\n")
    (worktree.files / "b.txt").unlink()
    (worktree.files / "link").symlink_to("../outside")
    (worktree.files / "loop").symlink_to("loop")
    (worktree.files / "run.sh").touch(0o755)
    (worktree.files / strange).touch()
    (worktree.files / "x.ignored").touch()
    snapshot = snap(worktree, base)
    assert [note.split(",")[0] for note in snapshot.notes] == ["git ignores x.ignored"]
    assert changed(run, base, snapshot) == {
        "a.txt": "100644",
        "b.txt": "000000",
        "link": "120000",
        "loop": "120000",
        "run.sh": "100755",
        strange: "100644",
    }
    assert run.tree(snapshot.commit) == snapshot.tree
    assert snap(worktree, base) == snapshot


def test_a_snapshot_of_nothing_new_has_the_tree_of_its_parent(
    worktree: Worktree, run: RunRepository, base: str
) -> None:
    assert snap(worktree, base).tree == run.tree(base)


def test_files_folders_and_links_may_change_places(
    worktree: Worktree, run: RunRepository, base: str
) -> None:
    files = worktree.files
    (files / "a.txt").unlink()
    (files / "a.txt").mkdir()
    (files / "a.txt" / "inner").touch()
    (files / "elsewhere").mkdir()
    shutil.move(files / "folder" / "c.txt", files / "elsewhere" / "c.txt")
    (files / "elsewhere" / "c.txt").write_text("other\n")
    (files / "folder").rmdir()
    (files / "folder").symlink_to("elsewhere")
    snapshot = snap(worktree, base)
    assert snapshot.notes == ()
    assert changed(run, base, snapshot) == {
        "a.txt": "000000",
        "a.txt/inner": "100644",
        "elsewhere/c.txt": "100644",
        "folder": "120000",
        "folder/c.txt": "000000",
    }


def test_commits_and_merges_of_the_agent_do_not_matter(
    worktree: Worktree, run: RunRepository, base: str
) -> None:
    git(worktree, "checkout", "--quiet", "-b", "side")
    (worktree.files / "a.txt").write_text("side\n")
    git(worktree, "commit", "--quiet", "--all", "--message=side")
    git(worktree, "checkout", "--quiet", BRANCH)
    (worktree.files / "a.txt").write_text("mine\n")
    git(worktree, "commit", "--quiet", "--all", "--message=mine")
    subprocess.run(["git", "merge", "side"], cwd=worktree.files, capture_output=True, check=False)
    assert (worktree.folder / "git" / "MERGE_HEAD").exists()
    assert "UU a.txt" in git(worktree, "status", "--porcelain")
    snapshot = snap(worktree, base)
    assert changed(run, base, snapshot) == {"a.txt": "100644"}
    assert run.git.run("rev-list", snapshot.commit, f"^{base}").split() == [snapshot.commit]


@pytest.mark.parametrize("replacement", ["nothing", "folder", "file", "link"])
def test_the_agents_dot_git_does_not_matter(
    worktree: Worktree, run: RunRepository, base: str, replacement: str
) -> None:
    dot_git = worktree.files / ".git"
    dot_git.unlink()
    if replacement == "folder":
        subprocess.run(["git", "init", "--quiet", str(worktree.files)], check=True)
    if replacement == "file":
        dot_git.write_text("gitdir: /nonexistent\n")
    if replacement == "link":
        dot_git.symlink_to("/")
    (worktree.files / "a.txt").write_text("changed\n")
    assert changed(run, base, snap(worktree, base)) == {"a.txt": "100644"}
    worktree.restore(base)
    assert git(worktree, "status", "--porcelain") == ""
    assert git(worktree, "rev-parse", "HEAD") == base


def test_nothing_that_the_agent_configures_is_run(
    worktree: Worktree, run: RunRepository, base: str, tmp_path: Path
) -> None:
    witness = tmp_path / "ran"
    command = plant(tmp_path / "command", witness)
    sub = worktree.files / "sub"
    subprocess.run(["git", "init", "--quiet", str(sub)], check=True)
    identity = ("-c", "user.name=a", "-c", "user.email=b")
    (sub / "x").write_text("x")
    subprocess.run(["git", "add", "x"], cwd=sub, check=True)
    subprocess.run(["git", *identity, "commit", "--quiet", "-m", "x"], cwd=sub, check=True)
    for folder in (worktree.files, sub):
        for key in ("core.fsmonitor", "filter.evil.clean", "filter.evil.smudge", "diff.external"):
            subprocess.run(["git", "config", key, command], cwd=folder, check=True)
        (folder / ".gitattributes").write_text("* filter=evil\n")
    git(worktree, "config", "core.worktree", "/")
    hooks = worktree.folder / "git" / "hooks"
    hooks.mkdir()
    for hook in ("pre-commit", "post-checkout", "post-index-change", "reference-transaction"):
        plant(hooks / hook, witness)
    (worktree.files / "a.txt").write_text("changed\n")
    for _ in range(2):
        # Changed again, which would make `git add` look into the embedded repository.
        (sub / "x").write_text("y")
        snapshot = snap(worktree, base)
    worktree.restore(snapshot.commit)
    assert not witness.exists()
    assert run.git.run("cat-file", "blob", f"{snapshot.commit}:a.txt") == "changed"


def make_repository(folder: Path, *, commits: bool) -> None:
    """Make a repository with the file `x` and an ignored one."""
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    (folder / "x").write_text("x")
    (folder / ".gitignore").write_text("*.own\n")
    for name in ("a.ignored", "a.own"):
        (folder / name).touch()
    who = ("-c", "user.name=a", "-c", "user.email=b")
    if commits:
        subprocess.run(["git", "add", "--all"], cwd=folder, check=True)
        subprocess.run(["git", *who, "commit", "--quiet", "-m", "x"], cwd=folder, check=True)


def test_the_files_of_a_repository_inside_are_part_of_the_change(
    worktree: Worktree, run: RunRepository, base: str
) -> None:
    make_repository(worktree.files / "full", commits=True)
    make_repository(worktree.files / "full" / "inner", commits=False)
    make_repository(worktree.files / "empty", commits=False)
    places = ("empty", "full", "full/inner")
    expected = {f"{place}/{name}": "100644" for place in places for name in (".gitignore", "x")}
    snapshot = snap(worktree, base)
    assert changed(run, base, snapshot) == expected
    *inner, ignored = snapshot.notes
    assert [note.split(" ")[0] for note in inner] == ["empty/", "full/", "full/inner/"]
    assert "git ignores empty/a.ignored" in ignored

    (worktree.files / "full" / "x").write_text("changed")
    (worktree.files / "full" / "inner" / "new").touch()
    (worktree.files / "empty" / "x").unlink()
    snapshot = snap(worktree, base)
    assert run.git.run("cat-file", "blob", f"{snapshot.commit}:full/x") == "changed"
    del expected["empty/x"]
    assert changed(run, base, snapshot) == expected | {"full/inner/new": "100644"}


def test_what_is_no_file_is_left_out_and_told(
    worktree: Worktree, run: RunRepository, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(worktree.files)  # the whole path may be too long for a socket
    os.mkfifo(worktree.files / "untracked-pipe")
    (worktree.files / "a.txt").unlink()
    os.mkfifo(worktree.files / "a.txt")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    (worktree.files / "new.txt").touch()
    snapshot = snap(worktree, base)
    assert changed(run, base, snapshot) == {"a.txt": "000000", "new.txt": "100644"}
    assert len(snapshot.notes) == 1
    assert snapshot.notes[0].startswith("a.txt is left out: ")
    worktree.restore(base)
    assert sorted(path.name for path in worktree.files.iterdir()) == sorted(
        [".git", ".gitignore", "a.txt", "b.txt", "folder"]
    )


def test_a_file_that_git_cannot_take_costs_only_itself(
    worktree: Worktree, run: RunRepository, base: str
) -> None:
    (worktree.files / ".gitattributes").write_text("*.bad working-tree-encoding=UTF-16\n")
    (worktree.files / "a.txt").rename(worktree.files / "moved.bad")
    for number in range(5):
        (worktree.files / f"{number}.txt").touch()
    (worktree.files / "x.bad").write_bytes(b"odd")
    (worktree.files / "deep" / ".GIT").mkdir(parents=True)
    (worktree.files / "deep" / ".GIT" / "config").touch()
    snapshot = snap(worktree, base)
    assert set(changed(run, base, snapshot)) == {
        "a.txt",
        ".gitattributes",
        *(f"{number}.txt" for number in range(5)),
    }
    assert {note.split(" ")[0] for note in snapshot.notes} == {
        "moved.bad",
        "x.bad",
        "deep/.GIT/config",
    }


ENCODINGS = {
    "a rewritten file": ("UTF-16", "odd"),
    "an encoding that nobody knows": ("NONE-SUCH", "plain text"),
    "a mark that is missing": ("UTF-32", "plain"),
}


@pytest.mark.parametrize("case", ENCODINGS)
def test_a_file_that_git_cannot_take_any_more_is_not_deleted(
    worktree: Worktree, run: RunRepository, base: str, case: str
) -> None:
    encoding, content = ENCODINGS[case]
    (worktree.files / ".gitattributes").write_text(f"a.txt working-tree-encoding={encoding}\n")
    (worktree.files / "a.txt").write_text(content)
    for _ in range(2):
        snapshot = snap(worktree, base)
        assert changed(run, base, snapshot) == {".gitattributes": "100644"}
        left_out, kept = snapshot.notes
        assert left_out.startswith("a.txt is left out: ")
        assert Path(kept.removeprefix("a.txt is kept as ")).read_text() == content
    (worktree.files / "a.txt").unlink()
    assert changed(run, base, snap(worktree, base))["a.txt"] == "000000"


def test_what_lost_its_rights_is_read_all_the_same(
    worktree: Worktree, run: RunRepository, base: str
) -> None:
    for name in ("closed", "half"):
        (worktree.files / name).mkdir()
        (worktree.files / name / "x").touch()
    (worktree.files / "a.txt").write_text("changed\n")
    (worktree.files / "a.txt").chmod(0)
    if os.access(worktree.files / "a.txt", os.R_OK):
        pytest.skip("root may read everything")
    (worktree.files / "closed").chmod(0)
    (worktree.files / "half").chmod(0o400)
    (worktree.files / "folder").chmod(0)
    snapshot = snap(worktree, base)
    assert snapshot.notes == ()
    assert set(changed(run, base, snapshot)) == {"a.txt", "closed/x", "half/x"}


@pytest.mark.parametrize("damage", ["missing", "empty"])
def test_an_index_that_a_crash_destroyed_is_made_anew(
    worktree: Worktree, run: RunRepository, base: str, damage: str
) -> None:
    index = run.path.parent / "indexes" / worktree.folder.name
    if damage == "missing":
        index.unlink()
    else:
        index.write_bytes(b"")
    (worktree.files / "a.txt").write_text("changed\n")
    assert changed(run, base, snap(worktree, base)) == {"a.txt": "100644"}


def test_an_index_that_the_disk_has_only_in_part_deletes_nothing(
    run: RunRepository, worktree: Worktree, base: str
) -> None:
    (worktree.files / "new.txt").write_text("new\n")
    index = run.path.with_name("indexes") / worktree.folder.name
    index.write_bytes(index.read_bytes()[:50])
    worktree.forget_index()
    assert changed(run, base, snap(worktree, base)) == {"new.txt": "100644"}


def test_a_file_whose_path_is_too_long_is_left_out_with_a_note(
    worktree: Worktree, run: RunRepository, base: str
) -> None:
    lengthen(worktree.files / "new", within=worktree.files)
    (worktree.files / "a.txt").write_text("changed\n")

    snapshot = snap(worktree, base)

    assert changed(run, base, snapshot) == {"a.txt": "100644"}
    (note,) = snapshot.notes
    assert note.startswith("new/ddd")
    assert " is left out: " in note
