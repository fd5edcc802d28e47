"""Only the target moves, only forward, and nothing else of the user's changes."""

from __future__ import annotations

import subprocess
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from concertmaster.errors import GitFault
from concertmaster.git.repository import Repository
from concertmaster.git.run_repository import RunRepository
from concertmaster.landing.target_branch import (
    CheckoutBlocked,
    TargetAdvanced,
    TargetMovedAway,
    advance_target,
)
from tests.conftest import Project


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """A landing of `new`, which changes a.txt and adds new.txt.

    It is in the user's objects, but on no branch.
    """

    project: Project
    user: Repository
    old: str
    new: str

    def land(
        self, patience_seconds: float = 0.2
    ) -> TargetAdvanced | TargetMovedAway | CheckoutBlocked:
        return advance_target(
            self.user, "main", old=self.old, new=self.new, patience_seconds=patience_seconds
        )


@pytest.fixture
def landing(project: Project) -> Landing:
    (project.root / ".gitignore").write_text("*.ignored\n")
    old = project.commit("Ignore", {"b.txt": "b\n"})
    project.git("checkout", "--quiet", "--detach")
    new = project.commit("New", {"a.txt": "new\n", "new.txt": "new\n"})
    project.git("checkout", "--quiet", "main")
    return Landing(project=project, user=project.open(), old=old, new=new)


def test_a_checked_out_target_advances_with_its_files(landing: Landing) -> None:
    assert landing.land() == TargetAdvanced()
    assert landing.project.git("rev-parse", "main") == landing.new
    assert landing.project.git("status", "--porcelain") == ""
    assert (landing.project.root / "new.txt").read_text() == "new\n"


def test_landing_twice_is_landing_once(landing: Landing) -> None:
    landing.land()
    assert landing.land() == TargetAdvanced()


def test_everything_else_of_the_user_stays(landing: Landing) -> None:
    project, git = landing.project, landing.project.git
    project.write({"b.txt": "stashed\n"})
    git("stash", "push", "--quiet")
    project.write({"folder/c.txt": "staged\n", "untracked.txt": "u\n", "x.ignored": "i\n"})
    git("add", "folder/c.txt")
    project.write({"b.txt": "changed\n"})
    git("config", "merge.autoStash", "true")
    git("config", "branch.main.mergeOptions", "--no-ff --no-commit --squash")
    config = (project.root / ".git" / "config").read_bytes()
    hook = project.root / ".git" / "hooks" / "post-merge"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\ntouch hook-ran\n")
    hook.chmod(0o755)
    before = git("status", "--porcelain"), git("stash", "list"), git("rev-parse", "stash")
    assert landing.land() == TargetAdvanced()
    after = git("status", "--porcelain"), git("stash", "list"), git("rev-parse", "stash")
    assert before == after
    assert (project.root / "b.txt").read_text() == "changed\n"
    assert (project.root / ".git" / "config").read_bytes() == config
    assert git("symbolic-ref", "HEAD") == "refs/heads/main"


@pytest.mark.parametrize("name", ["a.txt", "new.txt"])
def test_a_file_that_would_be_overwritten_is_in_the_way(landing: Landing, name: str) -> None:
    landing.project.write({name: "mine\n"})
    status = landing.project.git("status", "--porcelain")
    result = landing.land()
    assert isinstance(result, CheckoutBlocked)
    assert name in result.reason
    assert landing.project.git("rev-parse", "main") == landing.old
    assert landing.project.git("status", "--porcelain") == status


def test_an_ignored_file_is_never_overwritten(landing: Landing) -> None:
    landing.project.git("checkout", "--quiet", "--detach")
    landing.project.write({"x.ignored": "theirs\n"})
    landing.project.git("add", "--force", "x.ignored")
    new = landing.project.commit("Add what is ignored", {})
    landing.project.git("checkout", "--quiet", "main")
    landing.project.write({"x.ignored": "mine\n"})
    assert isinstance(
        advance_target(landing.user, "main", old=landing.old, new=new), CheckoutBlocked
    )
    assert (landing.project.root / "x.ignored").read_text() == "mine\n"


def test_a_target_that_is_not_checked_out_advances_by_itself(landing: Landing) -> None:
    landing.project.git("checkout", "--quiet", "-b", "elsewhere")
    assert landing.land() == TargetAdvanced()
    assert landing.project.git("rev-parse", "main", "elsewhere").split() == [
        landing.new,
        landing.old,
    ]
    assert landing.project.git("status", "--porcelain") == ""


def test_a_target_in_another_worktree_advances_there(landing: Landing, tmp_path: Path) -> None:
    other = tmp_path / "with\nnewline"
    landing.project.git("checkout", "--quiet", "-b", "elsewhere")
    landing.project.git("worktree", "add", "--quiet", str(other), "main")
    assert landing.land() == TargetAdvanced()
    assert (other / "new.txt").read_text() == "new\n"
    assert not (landing.project.root / "new.txt").exists()


def test_a_worktree_that_was_deleted_does_not_hold_the_target(
    landing: Landing, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    landing.project.git("checkout", "--quiet", "-b", "elsewhere")
    landing.project.git("worktree", "add", "--quiet", str(other), "main")
    subprocess.run(["rm", "-r", str(other)], check=True)
    assert landing.land() == TargetAdvanced()


def test_a_bare_repository_advances(landing: Landing, tmp_path: Path) -> None:
    landing.project.git("branch", "new", landing.new)
    landing.project.git("clone", "--quiet", "--bare", ".", str(tmp_path / "bare.git"))
    user = Repository.open(tmp_path / "bare.git")
    assert advance_target(user, "main", old=landing.old, new=landing.new) == TargetAdvanced()


def test_a_target_that_moved_is_told_and_stays(landing: Landing) -> None:
    tip = landing.project.commit("Meanwhile", {"b.txt": "meanwhile\n"})
    assert landing.land() == TargetMovedAway(tip=tip)
    assert landing.project.git("rev-parse", "main") == tip


def test_a_target_that_is_gone_has_moved(landing: Landing) -> None:
    landing.project.git("checkout", "--quiet", "--detach")
    landing.project.git("branch", "--quiet", "-D", "main")
    assert landing.land() == TargetMovedAway(tip="")


def test_the_target_never_goes_anywhere_but_forward(landing: Landing) -> None:
    with pytest.raises(GitFault):
        advance_target(landing.user, "main", old=landing.old, new=f"{landing.old[:-1]}x")
    landing.project.git("checkout", "--quiet", "--orphan", "stranger")
    stranger = landing.project.commit("Stranger", {})
    with pytest.raises(GitFault):
        advance_target(landing.user, "main", old=landing.old, new=stranger)


def test_a_rebase_of_the_target_is_in_the_way(landing: Landing) -> None:
    git = landing.project.git
    git("checkout", "--quiet", "-b", "onto", "HEAD~1")
    landing.project.commit("Other", {"b.txt": "other\n"})
    git("checkout", "--quiet", "main")
    tip = landing.project.commit("Mine", {"b.txt": "mine\n"})
    subprocess.run(
        ["git", "rebase", "onto"], cwd=landing.project.root, capture_output=True, check=False
    )
    tree = git("rev-parse", f"{tip}^{{tree}}")
    new = git("commit-tree", tree, "-p", tip, "-m", "new")
    result = advance_target(landing.user, "main", old=tip, new=new)
    assert isinstance(result, CheckoutBlocked)
    assert "rebase" in result.reason
    git("rebase", "--abort")
    assert git("rev-parse", "main") == tip


def test_a_lock_is_waited_for(landing: Landing) -> None:
    lock = landing.project.root / ".git" / "index.lock"
    lock.touch()
    release = threading.Timer(0.3, lock.unlink)
    release.start()
    assert landing.land(patience_seconds=20) == TargetAdvanced()
    release.join()


def test_a_lock_that_stays_is_in_the_way(landing: Landing) -> None:
    (landing.project.root / ".git" / "index.lock").touch()
    result = landing.land(patience_seconds=0.1)
    assert isinstance(result, CheckoutBlocked)
    assert "index.lock" in result.reason
    assert landing.project.git("rev-parse", "main") == landing.old


def test_the_users_filters_stay_on_in_the_users_files(landing: Landing) -> None:
    git = landing.project.git
    git("config", "filter.shout.smudge", "tr a-z A-Z")
    (landing.project.root / ".git" / "info" / "attributes").write_text("new.txt filter=shout\n")
    assert landing.land() == TargetAdvanced()
    assert (landing.project.root / "new.txt").read_text() == "NEW\n"


def test_a_result_of_the_run_lands(landing: Landing, tmp_path: Path) -> None:
    user = landing.user
    run = RunRepository.create(tmp_path / "run" / "repository.git", user=user)
    made = run.commit(run.tree(landing.new), parents=(landing.old,), message="Task", at=1)
    user.fetch(run.path, made, ref="refs/heads/concertmaster/r1/landed")
    assert advance_target(user, "main", old=landing.old, new=made) == TargetAdvanced()
    assert landing.project.git("rev-parse", "HEAD^{tree}") == run.tree(made)


def test_of_several_landings_at_once_one_lands_and_the_checkout_is_clean(project: Project) -> None:
    old, news = project.git("rev-parse", "main"), []
    for name in "stuvwxyz":
        project.git("checkout", "--quiet", "--detach", old)
        files = {f"{name}/{number}.txt": name for number in range(50)}
        news.append(project.commit(name, files))
    project.git("checkout", "--quiet", "main")
    with ThreadPoolExecutor() as threads:
        ends = [
            threads.submit(advance_target, project.open(), "main", old=old, new=new) for new in news
        ]
    tip = project.git("rev-parse", "main")
    assert Counter(end.result() for end in ends) == {
        TargetAdvanced(): 1,
        TargetMovedAway(tip=tip): 7,
    }
    assert project.git("status", "--porcelain") == ""
