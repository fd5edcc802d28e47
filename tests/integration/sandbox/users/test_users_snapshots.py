"""Worktrees of other users are snapshotted, restored and owned correctly."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from concertmaster.git.run_repository import RunRepository
from concertmaster.sandbox.users import give_ownership
from concertmaster.worktrees.manager import Worktrees
from tests.conftest import Project
from tests.integration.sandbox.users.conftest import Do, Make, changed, log, snap
from tests.isolation import needs_root

pytestmark = needs_root


def test_work_is_taken_whatever_rights_it_has(
    make: Make, do: Do, run: RunRepository, base: str
) -> None:
    worktree = make()
    do(worktree, "mkdir -p d/e; echo 1 > d/e/f; echo 2 > g; rm a.txt; chmod 0 d/e/f d/e d g .")
    snapshot = snap(worktree, base)
    assert snapshot.notes == ()
    assert changed(run, base, snapshot) == {"d/e/f", "g", "a.txt"}


def test_a_fresh_worktree_shows_no_change_to_us_or_to_its_user(
    make: Make, do: Do, run: RunRepository, base: str, tmp_path: Path
) -> None:
    worktree = make()
    assert do(worktree, "git status --porcelain; git diff-files").ok
    assert log(tmp_path) == ""
    assert snap(worktree, base).tree == run.tree(base)


def test_a_file_of_ours_under_a_second_name_is_not_taken(
    make: Make, do: Do, run: RunRepository, base: str, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    worktree = make()
    do(worktree, "echo kept > kept.txt; rm a.txt b.txt; ln -s folder link")
    for name in ("stolen.txt", "a.txt"):
        os.link(secret, worktree.files / name)
    snapshot = snap(worktree, base)
    assert changed(run, base, snapshot) == {"kept.txt", "b.txt", "link"}
    assert snapshot.notes == tuple(
        f"{name} is left out: it is another user's" for name in ("a.txt", "stolen.txt")
    )


def test_a_folder_that_became_a_link_is_taken_as_one(
    make: Make, do: Do, run: RunRepository, base: str, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "c.txt").write_text("ours")
    worktree = make()
    do(worktree, f"rm -r folder; ln -s {outside} folder")
    snapshot = snap(worktree, base)
    assert snapshot.notes == ()
    assert changed(run, base, snapshot) == {"folder", "folder/c.txt"}
    assert run.changes(base, snapshot.commit)[0].link_target == str(outside)


@pytest.mark.matrix
def test_a_user_that_hides_folders_in_folders_can_be_restored(
    make: Make, do: Do, base: str
) -> None:
    worktree = make()
    (worktree.home / "mine").touch()
    deep = "for number in $(seq 1500); do mkdir d && cd d; done"
    assert do(worktree, f'(cd "$HOME" && {deep}) && cd "$TMPDIR" && {deep}').ok

    worktree.restore(base)

    assert (worktree.home / "mine").stat().st_uid == worktree.owner.uid
    worktree.remove()
    assert not worktree.folder.exists()


def test_giving_files_follows_no_link_and_takes_no_second_name(tmp_path: Path) -> None:
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    (folder / "below").mkdir(parents=True)
    outside.write_text("ours")
    (folder / "link").symlink_to(outside)
    (folder / "up").symlink_to(tmp_path)
    os.link(outside, folder / "below" / "hard")
    give_ownership(folder, 71_234)
    assert (outside.stat().st_uid, tmp_path.stat().st_uid) == (0, 0)
    owners = {path.name: path.lstat().st_uid for path in folder.rglob("*")}
    assert owners == {"below": 71_234, "link": 71_234, "up": 71_234, "hard": 0}


def test_a_restored_worktree_belongs_to_its_user_again(
    make: Make, do: Do, base: str, tmp_path: Path
) -> None:
    worktree = make()
    do(worktree, "rm a.txt; echo x > x; rm -rf ../git/* .git; ln -s / .git; chmod 0 folder")
    worktree.restore(base)
    assert do(worktree, "set -e; echo 1 >> a.txt; git commit --quiet -am more; ls; id -u").ok
    assert log(tmp_path).split() == ["a.txt", "b.txt", "folder", str(worktree.owner.uid)]


def test_without_accounts_nobody_is_another_user(
    run: RunRepository, project: Project, tmp_path: Path, base: str
) -> None:
    worktrees = Worktrees(run, user=project.open(), cache=tmp_path / "alone", run="r1")
    worktree = worktrees.create(base, task="task", attempt=1, branch="concertmaster/r/t")
    assert worktree.account is None
    assert worktree.files.stat().st_uid == os.geteuid()
