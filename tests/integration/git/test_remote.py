"""Branches of a server are read and moved, with real git over HTTP."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from concertmaster.errors import EnvironmentFault, GitFault, UsageError
from concertmaster.git import remote
from concertmaster.git.command import Git
from concertmaster.git.remote import BranchMove, PushResult, PushState, Remote
from concertmaster.git.run_repository import RunRepository
from tests.github.double import Double
from tests.github.faults import Effect, Fault
from tests.github.state import Repository as Hosted

AT = 1_700_000_000
TASK = "concertmaster/run/fruit-ab12"
OTHER = "concertmaster/run/other-cd34"
RECEIVE = "*/git-receive-pack"
LONG_AGO = "1" * 40


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "FIRST_WAIT_SECONDS", 0.001)


class World:
    """A server with one repository, and a job that has a clone of it."""

    def __init__(self, double: Double, folder: Path) -> None:
        self.double = double
        self.hosted: Hosted = double.add_repository("ada/opera", private=True)
        self.base = double.commit(self.hosted, "main", {"a.txt": "a\n"})
        self.bare = double.git(self.hosted)
        self.url = double.clone_url(self.hosted)
        self.token = double.workflow_token(self.hosted, {"contents": "write"})
        self.repository = self.remote().clone(folder / "clone")
        self.objects = RunRepository.create(folder / "run.git", user=self.repository)
        self.index = folder / "index"

    def remote(self, token: str | None = None) -> Remote:
        return Remote(url=self.url, token=self.token if token is None else token)

    def make(self, branch: str) -> None:
        """Make a branch on the server, at the base."""
        self.bare.update({f"refs/heads/{branch}": (self.base, None)})

    def tip(self, branch: str) -> str:
        return self.bare.branch(branch) or ""

    def change(self, name: str = "b.txt") -> str:
        """Return a commit of the job with one more file."""
        path = self.objects.path
        git = Git(path, git_dir=path, index=self.index, private=True)
        git.run("read-tree", self.base)
        blob = self.objects.write_blob(b"b\n")
        git.run("update-index", "--add", "--cacheinfo", f"100644,{blob},{name}")
        tree = git.run("write-tree")
        return self.objects.commit(tree, parents=(self.base,), message="Add", at=AT)

    def tips(self, prefix: str = "refs/heads/") -> Mapping[str, str]:
        return self.remote().tips(self.repository, prefix=prefix)

    def fetch(self, *names: str) -> Mapping[str, str]:
        return self.remote().fetch(self.repository, names)

    def push(self, *moves: BranchMove, token: str | None = None) -> Mapping[str, PushResult]:
        return self.remote(token).push(self.objects, moves)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with Double(tmp_path / "hosting") as running:
        yield World(running, tmp_path)
    assert running.violations == []


def test_branches_are_listed_by_name_below_a_prefix(world: World) -> None:
    world.make(TASK)

    assert world.tips() == {"main": world.base, TASK: world.base}
    prefix = "refs/heads/concertmaster/run/"
    assert world.tips(prefix) == {TASK: world.base}


def test_a_branch_and_a_commit_are_fetched_and_what_is_not_there_is_left_out(world: World) -> None:
    world.make(TASK)
    theirs = world.double.commit(world.hosted, TASK, {"b.txt": "b\n"})
    later = world.double.commit(world.hosted, "main", {"c.txt": "c\n"})

    found = world.fetch(TASK, later, OTHER, LONG_AGO)

    assert found == {TASK: theirs, later: later}
    assert world.repository.resolve(f"refs/concertmaster/fetched/{TASK}") == theirs
    assert world.repository.read_file(theirs, "b.txt") == b"b\n"


def test_a_branch_is_fetched_anew_wherever_it_went(world: World) -> None:
    world.make(TASK)
    world.double.commit(world.hosted, TASK, {"b.txt": "b\n"})
    world.fetch(TASK)
    world.make(TASK)

    assert world.fetch(TASK) == {TASK: world.base}


def test_nothing_is_fetched_when_nothing_is_asked_for(world: World) -> None:
    before = len(world.double.log.matching("GET", "*"))
    assert world.fetch() == {}
    assert len(world.double.log.matching("GET", "*")) == before


@pytest.mark.parametrize("name", ["-upload-pack=x", "a..b", "a b", "a:b", "*", "a\nb", "^a", ""])
def test_what_cannot_be_a_branch_is_neither_fetched_nor_pushed(world: World, name: str) -> None:
    with pytest.raises(GitFault):
        world.fetch(name)
    with pytest.raises(GitFault):
        world.push(BranchMove(branch=name, old="", new=world.base))


def test_broken_objects_are_not_fetched(world: World) -> None:
    bare = world.bare
    evil = f"040000 tree {bare.text('rev-parse', world.base + '^{tree}')}\t.git\n"
    tree = bare.text("mktree", stdin=evil.encode())
    commit = bare.text(
        *("-c", "user.name=Eve", "-c", "user.email=eve@example.org"),
        *("commit-tree", tree, "-p", world.base, "-m", "Evil"),
    )
    bare.update({f"refs/heads/{TASK}": (commit, None)})

    with pytest.raises(EnvironmentFault):
        world.fetch(TASK)
    with pytest.raises(UsageError):
        world.repository.resolve(f"refs/concertmaster/fetched/{TASK}")


def test_a_server_that_is_not_well_for_a_moment_is_asked_again(world: World) -> None:
    world.double.fail(Fault(effect=Effect.BAD_GATEWAY_BEFORE, path="*/info/refs", nth=1))
    world.double.fail(Fault(effect=Effect.DROP_AFTER, path="*/info/refs", nth=2))

    assert world.tips() == {"main": world.base}


def test_a_server_that_stays_unwell_is_given_up_in_words(world: World) -> None:
    world.double.fail(Fault(effect=Effect.BAD_GATEWAY_BEFORE, path="*/info/refs"))

    with pytest.raises(EnvironmentFault, match="does not answer, 4 times in a row") as caught:
        world.tips()
    assert "502" in caught.value.why
    assert caught.value.next_step


def test_a_token_that_is_none_is_no_reason_for_patience(world: World) -> None:
    asked = len(world.double.log.matching("GET", "/ada/opera.git/info/refs"))
    with pytest.raises(EnvironmentFault, match="could not be listed"):
        world.remote("ghs_nothing").tips(world.repository)
    assert len(world.double.log.matching("GET", "/ada/opera.git/info/refs")) - asked <= 2


def test_branches_of_ours_are_made_moved_and_deleted(world: World) -> None:
    first, aside = world.change(), world.change("c.txt")
    done = PushResult(state=PushState.DONE)

    made = [BranchMove(branch=TASK, old="", new=first), BranchMove(branch=OTHER, old="", new=first)]
    assert world.push(*made) == {TASK: done, OTHER: done}
    moved = [
        BranchMove(branch=TASK, old=first, new=aside),
        BranchMove(branch=OTHER, old=first, new=""),
    ]
    assert world.push(*moved) == {TASK: done, OTHER: done}

    assert (world.tip(TASK), world.tip(OTHER)) == (aside, "")


def test_the_target_moves_forward(world: World) -> None:
    landed = world.change()
    pushed = world.push(BranchMove(branch="main", old=world.base, new=landed))
    assert pushed == {"main": PushResult(state=PushState.DONE)}
    assert world.tip("main") == landed


def test_a_push_that_is_repeated_is_done(world: World) -> None:
    landed = world.change()
    moves = [
        BranchMove(branch="main", old=world.base, new=landed),
        BranchMove(branch=TASK, old="", new=landed),
        BranchMove(branch=OTHER, old=LONG_AGO, new=""),
    ]
    world.push(*moves)
    again = world.push(*moves)
    assert {one.state for one in again.values()} == {PushState.DONE}


def test_nothing_is_pushed_when_nothing_is_to_move(world: World) -> None:
    assert world.push(token="") == {}


@pytest.mark.parametrize("new", ["aside", "nothing"])
def test_a_branch_that_is_not_ours_moves_only_forward(world: World, new: str) -> None:
    landed = world.change()
    world.push(BranchMove(branch="main", old=world.base, new=landed))
    away = {"aside": world.change("c.txt"), "nothing": ""}[new]

    with pytest.raises(GitFault, match="would not move forward"):
        world.push(BranchMove(branch="main", old=landed, new=away))
    assert world.tip("main") == landed


def test_a_target_that_moved_meanwhile_stays_where_it_is(world: World) -> None:
    theirs = world.double.commit(world.hosted, "main", {"theirs.txt": "x\n"})
    land = BranchMove(branch="main", old=world.base, new=world.change())
    keep = BranchMove(branch=TASK, old="", new=world.base)

    pushed = world.push(land, keep)

    assert pushed["main"].state is PushState.MOVED
    assert "stale info" in pushed["main"].reason
    assert pushed[TASK].state is PushState.DONE
    assert world.tip("main") == theirs


def test_a_lease_holds_for_branches_of_ours(world: World) -> None:
    """The lease also holds for a fast-forward and for a deleted branch."""
    world.make(TASK)
    new = world.change()
    for old in ("", LONG_AGO, new):
        move = BranchMove(branch=TASK, old=old, new=world.change("c.txt"))
        assert world.push(move)[TASK].state is PushState.MOVED
        assert world.tip(TASK) == world.base
    gone = BranchMove(branch=OTHER, old=world.base, new=new)
    assert world.push(gone)[OTHER].state is PushState.MOVED
    assert world.tip(OTHER) == ""


def test_a_rule_forbids_in_githubs_words(world: World) -> None:
    world.double.add_rule(world.hosted, "pull_request")
    landed = world.change()
    moves = [
        BranchMove(branch="main", old=world.base, new=landed),
        BranchMove(branch=TASK, old="", new=landed),
    ]

    pushed = world.push(*moves)

    assert pushed["main"].state is PushState.FORBIDDEN
    assert "Changes must be made through a pull request." in pushed["main"].reason
    assert "push declined due to repository rule violations" in pushed["main"].reason
    assert pushed[TASK].state is PushState.DONE, "what was refused in company goes alone"
    assert (world.tip("main"), world.tip(TASK)) == (world.base, landed)


def test_a_token_that_may_not_write_is_forbidden(world: World) -> None:
    reads = world.double.workflow_token(world.hosted, {"contents": "read"})
    pushed = world.push(BranchMove(branch=TASK, old="", new=world.change()), token=reads)
    assert pushed[TASK].state is PushState.FORBIDDEN
    assert "Permission to ada/opera.git denied to github-actions[bot]." in pushed[TASK].reason


def test_a_workflow_file_is_forbidden_without_the_permission(world: World) -> None:
    evil = world.change(".github/workflows/evil.yml")
    moves = [
        BranchMove(branch=TASK, old="", new=evil),
        BranchMove(branch=OTHER, old="", new=world.change()),
    ]

    pushed = world.push(*moves)

    assert pushed[TASK].state is PushState.FORBIDDEN
    assert "without `workflows` permission" in pushed[TASK].reason
    assert pushed[OTHER].state is PushState.DONE
    assert world.tip(TASK) == ""


@pytest.mark.parametrize("effect", [Effect.DROP_AFTER, Effect.BAD_GATEWAY_AFTER])
def test_a_lost_answer_is_looked_up(world: World, effect: Effect) -> None:
    world.double.fail(Fault(effect=effect, method="POST", path=RECEIVE, nth=1))
    new = world.change()
    pushed = world.push(BranchMove(branch=TASK, old="", new=new))
    assert pushed == {TASK: PushResult(state=PushState.DONE)}
    assert world.tip(TASK) == new


def test_a_push_that_did_not_arrive_is_made_again(world: World) -> None:
    world.double.fail(Fault(effect=Effect.BAD_GATEWAY_BEFORE, method="POST", path=RECEIVE, nth=1))
    world.double.fail(Fault(effect=Effect.SECONDARY_LIMIT, method="POST", path=RECEIVE, nth=2))
    new = world.change()
    pushed = world.push(BranchMove(branch=TASK, old="", new=new))
    assert pushed == {TASK: PushResult(state=PushState.DONE)}
    assert world.tip(TASK) == new


def test_a_push_that_never_arrives_is_given_up_in_words(world: World) -> None:
    world.double.fail(Fault(effect=Effect.BAD_GATEWAY_BEFORE, method="POST", path=RECEIVE))
    with pytest.raises(EnvironmentFault, match="could not push to"):
        world.push(BranchMove(branch=TASK, old="", new=world.change()))


def test_a_repository_that_is_not_there_is_a_fault(world: World) -> None:
    elsewhere = world.url.replace("opera", "aria")
    move = BranchMove(branch=TASK, old="", new=world.base)
    with pytest.raises(EnvironmentFault, match="could not be listed") as caught:
        Remote(url=elsewhere, token=world.token).push(world.objects, [move])
    assert "not found" in caught.value.why


def test_a_push_runs_no_hook_and_asks_no_helper(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = tmp_path / "ran"
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {ran}\n")
    script.chmod(0o755)
    hooks = world.repository.git_dir / "hooks"
    hooks.mkdir()
    for name in ("pre-push", "reference-transaction", "post-update"):
        (hooks / name).symlink_to(script)
    world.repository.git.run("config", "credential.helper", f"!{script}")
    world.repository.git.run("config", "core.askPass", str(script))
    monkeypatch.setenv("SSH_ASKPASS", str(script))
    monkeypatch.setenv("GIT_ASKPASS", str(script))

    move = BranchMove(branch=TASK, old="", new=world.base)
    pushed = world.remote().push(world.repository, [move])
    assert pushed == {TASK: PushResult(state=PushState.DONE)}
    world.fetch(TASK)
    with pytest.raises(EnvironmentFault):
        world.remote("ghs_nothing").push(world.repository, [replace(move, branch=OTHER)])

    assert not ran.exists()


def test_the_token_is_in_no_file_and_no_word(world: World) -> None:
    world.double.add_rule(world.hosted, "creation", branches="*")
    pushed = world.push(BranchMove(branch=TASK, old="", new=world.change()))
    world.fetch("main")
    assert world.token not in pushed[TASK].reason
    for folder in (world.objects.path, world.repository.git_dir):
        for file in folder.rglob("*"):
            assert not file.is_file() or world.token.encode() not in file.read_bytes()
    assert not any(world.token in value for value in os.environ.values())


def test_the_token_is_not_in_the_words_for_a_remote(world: World) -> None:
    assert world.token not in repr(world.remote())
    assert world.url in repr(world.remote())
