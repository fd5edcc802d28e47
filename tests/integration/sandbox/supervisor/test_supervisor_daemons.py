"""Daemons of a check live until the end of the guard, and nothing else of it does."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from concertmaster.sandbox.supervisor import Guard
from tests.conftest import wait_until
from tests.integration.sandbox.supervisor.conftest import (
    DAEMON,
    LIMIT_SECONDS,
    Clock,
    is_running,
    pid_in,
    runner,
)


def start_daemon(folder: Path, name: str) -> str:
    """Return a line of shell that starts a daemon and waits until it has written its id."""
    script = folder / "daemon.py"
    script.write_text(DAEMON)
    place = folder / name
    return f"{sys.executable} '{script}' '{place}'; until [ -e '{place}' ]; do sleep 0.01; done"


def test_a_daemon_lives_until_the_guard_ends(mark: str, tmp_path: Path) -> None:
    with Guard() as guard:
        run = runner(guard, mark, tmp_path)
        assert run(start_daemon(tmp_path, "daemon"), keeps_daemons=True).ok
        daemon = pid_in(tmp_path / "daemon")
        assert run("true", keeps_daemons=True).ok
        assert run("true").ok
        assert is_running(pid_in(tmp_path / "daemon"))
        assert psutil.Process(daemon).status() != psutil.STATUS_ZOMBIE
    assert not is_running(pid_in(tmp_path / "daemon"))


def test_a_daemon_of_an_agent_ends_with_it(mark: str, tmp_path: Path) -> None:
    with Guard() as guard:
        assert runner(guard, mark, tmp_path)(start_daemon(tmp_path, "daemon")).ok
        assert not is_running(pid_in(tmp_path / "daemon"))


@pytest.mark.matrix
def test_a_daemon_of_a_check_that_ran_out_of_time_ends_with_it(
    mark: str, tmp_path: Path, clock: Clock
) -> None:
    def be_late(_: bytes) -> None:
        clock.passed = LIMIT_SECONDS

    line = f"{start_daemon(tmp_path, 'daemon')}; echo up; sleep 1000"
    options = {"keeps_daemons": True, "timeout_seconds": LIMIT_SECONDS, "on_line": be_late}
    with Guard() as guard:
        assert runner(guard, mark, tmp_path)(line, **options).timed_out
        assert not is_running(pid_in(tmp_path / "daemon"))


@pytest.mark.matrix
def test_what_stays_in_the_session_of_the_check_ends_with_it(mark: str, tmp_path: Path) -> None:
    with Guard() as guard:
        run = runner(guard, mark, tmp_path)
        line = f"{start_daemon(tmp_path, 'daemon')}; sleep 1000 & echo $! > '{tmp_path}/job'"
        assert run(line, keeps_daemons=True).ok
        assert not is_running(pid_in(tmp_path / "job"))
        assert is_running(pid_in(tmp_path / "daemon"))


@pytest.mark.matrix
def test_a_daemon_ends_with_a_guard_server_that_was_killed(mark: str, tmp_path: Path) -> None:
    with Guard() as guard:
        run = runner(guard, mark, tmp_path)
        assert run(start_daemon(tmp_path, "daemon"), keeps_daemons=True).ok
        daemon = psutil.Process(pid_in(tmp_path / "daemon"))
        servers = psutil.Process().children()
        (server,) = [one for one in servers if daemon in one.children(recursive=True)]
        os.kill(server.pid, signal.SIGKILL)
        wait_until(lambda: not is_running(pid_in(tmp_path / "daemon")))
        assert run("true").ok
