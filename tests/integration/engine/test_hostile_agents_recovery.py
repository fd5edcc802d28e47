"""Tests runs in which an agent hangs or destroys worktrees, its guard or its own folder."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commandline import Done
from tests.integration.engine.hostile_agents import Stage, is_running, look, set_stage


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return set_stage(tmp_path)


# Sets the clock of the supervisor forward by 1000 seconds for each agent that hangs.
IMPATIENT = """
import sys, time, types
from pathlib import Path
from concertmaster.cli.main import main
from concertmaster.sandbox import supervisor
def now():
    return time.monotonic() + 1000 * len(list(Path(sys.argv[1]).glob("hang-*.pid")))
supervisor.time = types.SimpleNamespace(monotonic=now)
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.matrix
def test_who_hangs_is_ended_and_what_it_had_done_is_kept(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def call(*arguments: str, **_: str) -> Done:
        command = [sys.executable, "-c", IMPATIENT, str(stage.outside), *arguments]
        done = subprocess.run(
            command, cwd=stage.project.root, capture_output=True, text=True, check=False
        )
        return Done(code=done.returncode, out=done.stdout, err=done.stderr)

    monkeypatch.setattr(stage, "call", call)
    stage.task(
        "hang",
        """
        trap '' TERM INT
        echo work > hang.txt
        sleep 300 & echo $! > OUTSIDE/pid; mv OUTSIDE/pid OUTSIDE/hang-$$.pid
        wait; sleep 300
        """,
    )
    scene = stage.run("--check", "true", "--timeout", "5m")
    assert [a["outcome"] for a in scene.attempts("hang")] == ["timed_out", "timed_out"]
    assert scene.kept("hang", "hang.txt") == "work"
    assert not any(map(is_running, stage.outside.glob("hang-*.pid")))
    assert look(stage.project) == scene.before


def test_who_kills_its_guard_is_tried_again(stage: Stage) -> None:
    stage.task("good", "echo good > good.txt")
    stage.task(
        "lost",
        """
        echo work > lost.txt
        setsid sleep 300 & echo $! > OUTSIDE/lost.pid
        kill -9 $PPID; sleep 300
        """,
    )
    stage.task(
        "lost-once",
        """
        echo work > lost-once.txt
        if test -e OUTSIDE/lost-once.pid; then exit 0; fi
        setsid sleep 300 & echo $! > OUTSIDE/lost-once.pid
        kill -9 $PPID; sleep 300
        """,
    )
    link = shlex.quote(str(stage.project.root))
    stage.task("through-link", f"ln -s {link} link; echo written > link/through-link.txt")
    scene = stage.run("--check", "true", "--parallel", "4")
    assert [a["outcome"] for a in scene.attempts("lost")] == ["lost", "lost"]
    assert "its guard process was killed" in scene.task("lost")["reason"]
    assert [a["outcome"] for a in scene.attempts("lost-once")] == ["lost", "succeeded"]
    assert scene.kept("lost", "lost.txt") == "work"
    assert scene.task("good")["state"] == scene.task("lost-once")["state"] == "landed"
    for pid_file in stage.outside.glob("*.pid"):
        assert not is_running(pid_file)
    # Without a sandbox a program of the user can write the user's files; but nothing of it
    # lands, and the README says so.
    assert (stage.project.root / "through-link.txt").read_text() == "written\n"
    assert [a["outcome"] for a in scene.attempts("through-link")] == ["refused"]
    (stage.project.root / "through-link.txt").unlink()
    assert look(stage.project) == scene.before


@pytest.mark.matrix
def test_whose_worktree_was_destroyed_is_tried_again(stage: Stage) -> None:
    stage.task("good", "echo good > good.txt")
    stage.task(
        "victim",
        """
        if ! test -e OUTSIDE/ready; then
            touch OUTSIDE/ready
            while test -d "$PWD"; do sleep 0.02; done
        fi
        echo victim > victim.txt
        """,
    )
    stage.task(
        "vandal",
        """
        while ! test -e OUTSIDE/ready; do sleep 0.02; done
        rm -rf ../../victim-*-1-*
        echo vandal > vandal.txt
        """,
    )
    scene = stage.run("--check", "true", "--parallel", "5")
    assert scene.done.code == 0, scene.done
    assert [a["outcome"] for a in scene.attempts("victim")] == ["lost", "succeeded"]
    assert look(stage.project) == scene.before


@pytest.mark.matrix
def test_who_destroys_everything_that_is_there_can_still_be_tried_again(stage: Stage) -> None:
    stage.task(
        "vandal",
        """
        if test -e OUTSIDE/rubble; then echo vandal > vandal.txt; exit; fi
        touch OUTSIDE/rubble
        rm -rf "$(realpath ../..)"
        """,
    )
    scene = stage.run("--check", "true")
    assert scene.done.code == 0, scene.done
    assert [a["outcome"] for a in scene.attempts("vandal")] == ["lost", "succeeded"]


@pytest.mark.matrix
def test_what_lies_above_a_worktree_does_not_reach_its_check_or_that_of_others(
    stage: Stage,
) -> None:
    stage.project.git("stash", "push", "--quiet")
    test = "def test_value():\n    assert open('value.txt').read() == '1\\n'\n"
    stage.project.commit("Test", {"test_value.py": test, "value.txt": "1\n"})
    stage.project.git("stash", "pop", "--quiet", "--index")
    stage.task(
        "conftest",
        """
        echo 2 > value.txt
        printf 'def pytest_sessionfinish(session):\\n    session.exitstatus = 0\\n' > ../conftest.py
        echo '[pytest]' > ../pytest.ini
        cp ../conftest.py ../pytest.ini ../..
        """,
    )
    stage.task("good", "echo good > good.txt")
    check = f"{shlex.quote(sys.executable)} -m pytest -q -p no:cacheprovider test_value.py"
    scene = stage.run("--check", check, CONCERTMASTER_ATTEMPTS="1")
    assert scene.task("conftest")["state"] == "failed"
    assert "test_value.py::test_value" in scene.task("conftest")["reason"]
    assert scene.task("good")["state"] == "landed"
