"""Attempt folders: made without locks, and never believed."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import socket
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from concertmaster.errors import GitFault
from concertmaster.git.repository import Repository
from concertmaster.git.run_repository import RunRepository
from concertmaster.worktrees.manager import Worktrees
from concertmaster.worktrees.owner import list_attempts
from concertmaster.worktrees.worktree import Snapshot, Worktree
from tests.conftest import Project

AT = 1_700_000_000
BRANCH = "concertmaster/r1/task"


@pytest.fixture
def run(project: Project, tmp_path: Path) -> RunRepository:
    project.commit("Ignore", {".gitignore": "*.ignored\n.venv/\n"})
    project.git("tag", "light")
    project.git("tag", "--annotate", "--message=one", "heavy")
    return RunRepository.create(tmp_path / "run" / "repository.git", user=project.open())


@pytest.fixture
def worktrees(run: RunRepository, project: Project, tmp_path: Path) -> Worktrees:
    return Worktrees(run, user=project.open(), cache=tmp_path / "cache", run="r1")


@pytest.fixture
def base(run: RunRepository, project: Project) -> str:
    return project.git("rev-parse", "HEAD")


@pytest.fixture
def worktree(worktrees: Worktrees, base: str) -> Worktree:
    return worktrees.create(base, task="task", attempt=1, branch=BRANCH)


def git(worktree: Worktree, *args: str) -> str:
    """As the agent would run it."""
    done = subprocess.run(
        ["git", *args], cwd=worktree.files, check=True, capture_output=True, text=True
    )
    return done.stdout.removesuffix("\n")


def snap(worktree: Worktree, base: str) -> Snapshot:
    return worktree.snapshot(parent=base, message="Snapshot", at=AT)


def changed(run: RunRepository, base: str, snapshot: Snapshot) -> dict[str, str]:
    """New mode by path."""
    return {change.path: change.new_mode for change in run.changes(base, snapshot.commit)}


def plant(command_file: Path, witness: Path) -> str:
    """A program that tells that it ran."""
    command_file.write_text(f"#!/bin/sh\ntouch '{witness}'\ncat\n")
    command_file.chmod(0o755)
    return str(command_file)


# Making


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


def test_what_an_agent_s_program_leaves_behind_is_no_change(
    run: RunRepository, worktrees: Worktrees, base: str
) -> None:
    worktree = worktrees.create(base, task="task", attempt=1, branch=BRANCH)
    cache = worktree.files / ".aider.tags.cache.v4"
    cache.mkdir()
    (cache / "cache.db").touch()

    assert changed(run, base, snap(worktree, base)) == {}


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


# Snapshots


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
    assert snapshot.notes == ()
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
        # Changed again, so that git has every reason to look into the repository inside.
        (sub / "x").write_text("y")
        snapshot = snap(worktree, base)
    worktree.restore(snapshot.commit)
    assert not witness.exists()
    assert run.git.run("cat-file", "blob", f"{snapshot.commit}:a.txt") == "changed"


def test_a_repository_inside_is_seen_and_told(
    worktree: Worktree, run: RunRepository, base: str
) -> None:
    for name in ("full", "empty"):
        subprocess.run(["git", "init", "--quiet", str(worktree.files / name)], check=True)
        (worktree.files / name / "x").touch()
    commit = ("-c", "user.name=a", "-c", "user.email=b", "commit", "--allow-empty", "-qm", "x")
    subprocess.run(["git", *commit], cwd=worktree.files / "full", check=True)
    (worktree.files / "a.txt").write_text("changed\n")
    snapshot = snap(worktree, base)
    assert changed(run, base, snapshot) == {"a.txt": "100644", "full": "160000"}
    assert [note.split(" ")[0] for note in snapshot.notes] == ["empty/", "full/"]


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
    for number in range(5):
        (worktree.files / f"{number}.txt").touch()
    (worktree.files / "x.bad").write_bytes(b"odd")
    (worktree.files / "deep" / ".GIT").mkdir(parents=True)
    (worktree.files / "deep" / ".GIT" / "config").touch()
    snapshot = snap(worktree, base)
    assert set(changed(run, base, snapshot)) == {
        ".gitattributes",
        *(f"{number}.txt" for number in range(5)),
    }
    assert {note.split(" ")[0] for note in snapshot.notes} == {"x.bad", "deep/.GIT/config"}


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


# After a crash


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


# Kinds of repositories


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
    identity = ("-c", "user.name=a", "-c", "user.email=b")
    git(worktree, "-C", "lib", *identity, "commit", "--quiet", "--allow-empty", "-m", "x")
    assert changed(run, base, snap(worktree, base)) == {"lib": "160000"}


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


# After a crash


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


def test_an_index_that_the_disk_has_only_in_part_deletes_nothing(
    run: RunRepository, worktree: Worktree, base: str
) -> None:
    (worktree.files / "new.txt").write_text("new\n")
    index = run.path.with_name("indexes") / worktree.folder.name
    index.write_bytes(index.read_bytes()[:50])
    worktree.forget_index()
    assert changed(run, base, snap(worktree, base)) == {"new.txt": "100644"}


DEEPEN = """
import os
for number in range(3000):
    open("file", "w").close()
    os.mkdir("d")
    os.chdir("d")
os.chmod("..", 0o500)
"""


def test_folders_that_lie_too_deep_for_anybody_are_removed(
    worktrees: Worktrees, worktree: Worktree, base: str, tmp_path: Path
) -> None:
    """Deeper than calls can be nested, by a path that is longer than a path may be."""
    (worktree.files / ".venv").mkdir()
    before = worktree.list_contents()
    for place in (worktree.files / ".venv", worktree.temporary):
        subprocess.run([sys.executable, "-c", DEEPEN], cwd=place, check=True)

    assert worktree.remove_new(before)
    assert not list((worktree.files / ".venv").iterdir())
    worktrees.remove(worktree.folder)
    assert not list((tmp_path / "cache").iterdir())


LENGTHEN = """
import os, sys
while len(os.getcwd()) < 3850 + int(sys.argv[1]):
    os.mkdir("d" * 200)
    os.chdir("d" * 200)
open("f" * 255, "w").close()
"""


def lengthen(place: Path, *, within: Path = Path()) -> None:
    """Put a file there whose path, from the folder on, is longer than any call takes."""
    place.mkdir(exist_ok=True)
    above = len(str(within))
    subprocess.run([sys.executable, "-c", LENGTHEN, str(above)], cwd=place, check=True)


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


def test_folders_are_removed_of_which_not_all_can_be_open_at_a_time(
    worktrees: Worktrees, worktree: Worktree, tmp_path: Path
) -> None:
    subprocess.run(
        [sys.executable, "-c", DEEPEN.replace("3000", "400")], cwd=worktree.temporary, check=True
    )
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        worktrees.remove(worktree.folder)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert not list((tmp_path / "cache").iterdir())


def test_restoring_can_undo_what_is_ignored_as_well(worktree: Worktree, base: str) -> None:
    (worktree.files / "kept.ignored").touch()
    worktree.restore(base)
    assert (worktree.files / "kept.ignored").exists()

    (worktree.files / ".venv/bin").mkdir(parents=True)
    worktree.restore(base, with_ignored=True)
    assert git(worktree, "status", "--porcelain", "--ignored") == ""
