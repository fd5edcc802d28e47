"""Runs are stopped by Ctrl-C, SIGTERM and `cancel`, and share a repository with other runs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess

import pytest

from concertmaster.events import TargetMoved
from tests.conftest import wait_until
from tests.crash.conftest import Undisturbed
from tests.crash.world import Run, World, living

HALVES = (("slow", "alpha", "beta", "top"), ("bottom", "stubborn", "nothing", "daemon"))
SLOW = ("slow", "alpha")  # slow waits halfway until a test writes the note `daemons`
# From the second call on, git writes its last file only after `resume` has begun its work.
SLOW_GIT = """\
#!/bin/sh
case " $* " in *" read-tree "*)
  echo "$*" >> {outside}/read-tree
  {git} "$@" || exit
  test "$(wc -l < {outside}/read-tree)" = 1 && exit
  sleep 1.5
  mkdir -p "$GIT_WORK_TREE"
  echo a > "$GIT_WORK_TREE/a.txt"
  exit
esac
exec {git} "$@"
"""


def start(world: World) -> subprocess.Popen[bytes]:
    """Start a run and wait until one task is half done and the other has landed."""
    process = world.start(["-m", "concertmaster"], world.run_arguments(*SLOW))
    wait_until(lambda: bool(world.notes("halves")) and state_of(world, "alpha") == "landed")
    return process


def state_of(world: World, name: str) -> str:
    return next(task.state for key, task in world.last_run().state.tasks.items() if name in key)


def let_go_on(world: World) -> None:
    (world.outside / "daemons").touch()


def branch_of(world: World, run: Run, name: str) -> str:
    pattern = f"refs/heads/concertmaster/{run.name}/{name}-*"
    return world.git("for-each-ref", "--format=%(refname)", pattern)


def nothing_is_left_of(world: World) -> bool:
    assert "Traceback" not in world.output()
    wait_until(lambda: not living())
    return not world.attempts


def end_of(process: subprocess.Popen[bytes]) -> int:
    return process.wait()


@pytest.mark.crash
def test_ctrl_c_leaves_the_run_for_resume(world: World) -> None:
    before = world.users_own()
    process = start(world)
    process.send_signal(signal.SIGINT)
    assert end_of(process) == 130
    wait_until(lambda: not living())
    assert not world.last_run().state.finished
    let_go_on(world)
    assert world.do("resume") == 0
    assert world.git("ls-tree", "--name-only", "main", "half.txt", "whole.txt", "alpha.txt")
    assert world.saved_half_done(world.last_run())
    assert len(world.notes("starts")) == 3
    assert nothing_is_left_of(world)
    assert world.users_own() == before


def check_cancelled(world: World) -> None:
    """Check that the cancelled run has ended, left no process and starts no agent on resume."""
    run = world.last_run()
    assert run.state.finished
    assert run.state.cancelled
    assert (state_of(world, "slow"), state_of(world, "alpha")) == ("failed", "landed")
    wait_until(lambda: not living())
    starts = world.notes("starts")
    assert world.do("resume") == 1
    assert world.notes("starts") == starts


@pytest.mark.crash
def test_sigterm_cancels_the_run_and_keeps_the_work(world: World) -> None:
    before = world.users_own()
    process = start(world)
    process.send_signal(signal.SIGTERM)
    assert end_of(process) == 1
    check_cancelled(world)
    kept = branch_of(world, world.last_run(), "slow")
    assert "half.txt" in world.git("ls-tree", "--name-only", kept)
    assert nothing_is_left_of(world)
    assert world.users_own() == before


@pytest.mark.crash
def test_cancel_ends_a_run_of_another_process(world: World) -> None:
    process = start(world)
    assert world.do("cancel") == 0
    assert end_of(process) == 1
    check_cancelled(world)
    kept = branch_of(world, world.last_run(), "slow")
    assert "half.txt" in world.git("ls-tree", "--name-only", kept)
    assert nothing_is_left_of(world)


@pytest.mark.crash
def test_cancel_ends_a_run_whose_process_was_killed_and_keeps_what_it_left(world: World) -> None:
    process = start(world)
    process.kill()
    assert end_of(process) == -signal.SIGKILL
    assert world.do("cancel") == 0
    check_cancelled(world)
    attempts = world.last_run().state.tasks.values()
    (folder,) = [a.folder for task in attempts for a in task.attempts if a.folder_stays]
    assert [str(path) for path in world.attempts] == [folder]
    assert (world.attempts[0] / "project" / "half.txt").read_text() == "half\n"


@pytest.mark.crash
def test_cancel_of_a_run_that_was_killed_before_any_agent_began_leaves_nothing(
    world: World,
) -> None:
    after_one_prepared = 3
    world.do_until_killed(world.run_arguments(*SLOW), after=after_one_prepared)
    starts = world.notes("starts")
    assert world.do("cancel") == 0
    tasks = world.last_run().state.tasks.values()
    assert not any(a.folder_stays and not a.folder for task in tasks for a in task.attempts)
    assert world.notes("starts") == starts
    assert {task.state for task in tasks} == {"failed"}


@pytest.mark.crash
def test_cancel_of_a_run_that_has_ended_says_so(world: World) -> None:
    assert world.do(*world.run_arguments("alpha")) == 0
    assert world.do("cancel") == 0
    assert "had ended already" in world.output()
    assert state_of(world, "alpha") == "landed"


@pytest.mark.crash
def test_resume_of_a_live_run_says_who_owns_it(world: World) -> None:
    process = start(world)
    assert world.do("resume") == 2
    assert f"is being worked on by process {process.pid}" in world.output()
    let_go_on(world)
    assert end_of(process) == 0


@pytest.mark.crash
def test_resume_waits_for_what_git_still_does_for_a_killed_run(
    world: World, undisturbed: Undisturbed
) -> None:
    slow_git = world.folder / "bin" / "git"
    slow_git.parent.mkdir()
    slow_git.write_text(SLOW_GIT.format(outside=world.outside, git=shutil.which("git")))
    slow_git.chmod(0o755)
    first = world.start(["-m", "concertmaster"], world.run_arguments(), path=str(slow_git.parent))
    wait_until(lambda: len(world.notes("read-tree")) > 1)
    os.killpg(first.pid, signal.SIGKILL)
    assert end_of(first) == -signal.SIGKILL
    let_go_on(world)
    assert world.do("resume") == undisturbed.code
    assert world.tree == undisturbed.tree
    assert nothing_is_left_of(world)


@pytest.mark.crash
def test_two_runs_at_once_on_one_repository_both_land_everything(
    world: World, undisturbed: Undisturbed
) -> None:
    before = world.users_own()
    first = world.start(["-m", "concertmaster"], world.run_arguments(*HALVES[0]))
    wait_until(lambda: bool(world.notes("halves")))  # else it could begin when the other has ended
    second = world.start(["-m", "concertmaster"], world.run_arguments(*HALVES[1]))
    assert [end_of(process) for process in (first, second)] == [0, 1]
    runs = world.runs()
    states = {key: task.state for run in runs for key, task in run.state.tasks.items()}
    assert states == undisturbed.states
    assert world.tree == undisturbed.tree
    # slow waits for daemon of the other run, so the target moves while that run is going on.
    assert any(isinstance(event, TargetMoved) for run in runs for event in run.events)
    assert nothing_is_left_of(world)
    assert world.users_own() == before


@pytest.mark.crash
def test_a_run_is_killed_and_resumed_while_another_goes_on(
    world: World, undisturbed: Undisturbed
) -> None:
    before = world.users_own()
    first = world.start(["-m", "concertmaster"], world.run_arguments(*HALVES[0]))
    wait_until(lambda: bool(world.notes("halves")))
    killed = world.last_run()
    second = world.start(["-m", "concertmaster"], world.run_arguments(*HALVES[1]))
    os.killpg(first.pid, signal.SIGKILL)
    assert end_of(first) == -signal.SIGKILL
    resumed = world.start(["-m", "concertmaster"], ["resume", killed.name])
    assert [end_of(process) for process in (resumed, second)] == [0, 1]
    assert world.tree == undisturbed.tree
    assert nothing_is_left_of(world)
    assert world.users_own() == before
