"""Commands end with their whole process tree, whatever they and their guard do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import psutil
import pytest

import concertmaster
from concertmaster.sandbox import supervisor
from concertmaster.sandbox.environment import shell_argv
from concertmaster.sandbox.exit_status import Exit
from concertmaster.sandbox.host import MARK, sweep
from concertmaster.sandbox.supervisor import Guard
from tests.conftest import wait_until
from tests.integration.sandbox.supervisor.conftest import (
    DAEMON,
    LIMIT_SECONDS,
    PATH,
    Clock,
    Run,
    is_running,
    pid_in,
    python,
    runner,
    script,
)

SOURCE = Path(concertmaster.__file__).parents[1]

CONCERTMASTER = """
import sys
from pathlib import Path
from concertmaster.sandbox.supervisor import Guard
folder = Path(sys.argv[1])
with Guard() as guard:
    guard.run(sys.argv[3:], mark=sys.argv[2], cwd=folder, env={}, log=folder / "log")
"""


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_hanging_command_ends_at_its_time_limit(run: Run, tmp_path: Path, clock: Clock) -> None:
    def be_late(_: bytes) -> None:
        clock.passed = LIMIT_SECONDS

    ended = run("sleep 1000 & echo $$ $!; wait", timeout_seconds=LIMIT_SECONDS, on_line=be_late)
    assert ended.timed_out
    assert not ended.ok
    assert ended.describe().startswith("timed out after ")
    pids = [int(pid) for pid in (tmp_path / "log").read_text().split()]
    assert len(pids) == 2
    assert not any(map(is_running, pids))


def test_a_command_has_time_to_end_itself_before_it_is_killed(
    guard: Guard, run: Run, mark: str
) -> None:
    polite = "from signal import *; signal(15, lambda *_: 1 / 0); print(flush=True); pause()"
    ended = run(python(polite), on_line=lambda _: guard.stop(mark))
    assert (ended.stopped, ended.code) == (True, 1)


def test_a_daemon_is_gone_when_its_command_answered(run: Run, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    ended = run(f"{script(python(DAEMON, pid_file))}; until test -e {pid_file}; do :; done")
    assert ended.ok
    assert not is_running(pid_in(pid_file))


def test_a_tree_that_forks_without_end_is_gone_when_its_command_answered(
    run: Run, mark: str
) -> None:
    chain = "import os, signal\nsignal.signal(15, signal.SIG_IGN)\nwhile not os.fork(): pass\n"
    assert run(python(chain)).ok
    assert sweep(mark) == 0


def test_nothing_is_left_when_concertmaster_and_its_group_are_killed(
    mark: str, tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    command = f"echo $$ > {tmp_path / 'main'}; {script(python(DAEMON, pid_file))}; exec sleep 1000"
    concertmaster = subprocess.Popen(
        [sys.executable, "-c", CONCERTMASTER, tmp_path, mark, *shell_argv(command)],
        env={"PYTHONPATH": str(SOURCE)},
        start_new_session=True,
    )
    daemon, main = pid_in(pid_file), int((tmp_path / "main").read_text())
    server = psutil.Process(concertmaster.pid).children()[0]
    assert is_running(daemon)
    assert is_running(main)
    os.killpg(concertmaster.pid, signal.SIGKILL)
    concertmaster.wait()
    wait_until(lambda: not is_running(daemon) and not is_running(main))
    wait_until(lambda: not is_running(server.pid))


def holds_text(file: Path) -> bool:
    return file.exists() and file.read_text() != ""


FROZEN = {
    "guard": "kill -STOP $PPID",
    "guard and server": "kill -STOP $PPID $(ps -o ppid= -p $PPID)",
}


@pytest.mark.parametrize("frozen", FROZEN)
def test_nothing_is_left_when_guards_are_frozen_and_concertmaster_is_killed(
    mark: str, tmp_path: Path, frozen: str
) -> None:
    hidden = f"env -i setsid sh -c 'echo $$ > {tmp_path}/hidden; exec sleep 1000' &"
    command = f"{hidden}\n{FROZEN[frozen]}; echo $PPID > {tmp_path}/guard; exec sleep 1000"
    concertmaster = subprocess.Popen(
        [sys.executable, "-c", CONCERTMASTER, tmp_path, mark, *shell_argv(command)],
        env={"PYTHONPATH": str(SOURCE), "PATH": os.defpath},
        start_new_session=True,
    )
    wait_until(lambda: [*map(holds_text, (tmp_path / "guard", tmp_path / "hidden"))] == [True] * 2)
    guard, left = psutil.Process(pid_in(tmp_path / "guard")), pid_in(tmp_path / "hidden")
    wait_until(lambda: guard.status() == psutil.STATUS_STOPPED)
    server = guard.parent()
    assert server is not None
    os.killpg(concertmaster.pid, signal.SIGKILL)
    concertmaster.wait()
    if frozen != "guard":
        sweep(mark)  # as a resumed run does
    wait_until(lambda: not is_running(left) and not is_running(server.pid))


def test_stop_ends_the_commands_whose_mark_starts_so(
    guard: Guard, mark: str, tmp_path: Path
) -> None:
    started = threading.Semaphore(0)

    def hang(task: str) -> Exit:
        run = runner(guard, f"{mark}{task}", tmp_path)
        return run("echo; exec sleep 1000", on_line=lambda _: started.release())

    with ThreadPoolExecutor() as pool:
        hanging = {task: pool.submit(hang, task) for task in ("a/1", "a/2", "b/1")}
        for _ in hanging:
            assert started.acquire()
        guard.stop(f"{mark}a/")
        for task in ("a/1", "a/2"):
            ended = hanging[task].result()
            assert (ended.stopped, ended.ok, ended.describe()) == (True, False, "stopped")
        assert not hanging["b/1"].done()
        guard.stop(mark)
        assert hanging["b/1"].result().stopped


def test_after_stop_all_no_command_starts(mark: str, tmp_path: Path) -> None:
    with Guard() as guard:
        run = runner(guard, mark, tmp_path)
        guard.stop_all()
        assert run("touch started") == Exit(stopped=True)
    assert run("touch started").stopped
    assert not (tmp_path / "started").exists()


def test_who_waits_is_told_when_its_commands_are_to_end(mark: str) -> None:
    with Guard() as guard, ThreadPoolExecutor() as pool:
        waiting = pool.submit(guard.wait, 600.0, mark=f"{mark}/a")
        guard.stop(f"{mark}/b")
        assert not waiting.done()
        guard.stop(f"{mark}/a")
        waiting.result()
        guard.wait(600.0, mark=f"{mark}/a")  # returns at once, as the commands are stopped


def test_leaving_the_guard_ends_what_still_runs(mark: str, tmp_path: Path) -> None:
    started = threading.Event()
    with ThreadPoolExecutor() as pool:
        with Guard() as guard:
            run = runner(guard, mark, tmp_path)
            ending = pool.submit(run, "echo; exec sleep 1000", on_line=lambda _: started.set())
            assert started.wait()
        assert ending.result().stopped


def test_a_command_that_kills_its_guard_is_lost_and_its_tree_swept(
    run: Run, mark: str, tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    daemon = f"{script(python(DAEMON, pid_file))}; until test -e {pid_file}; do :; done"
    ended = run(f"{daemon}; kill -9 $PPID; exec sleep 1000")
    assert (ended.lost, ended.ok, ended.code) == (True, False, None)
    assert sweep(mark) == 0
    wait_until(lambda: not is_running(pid_in(pid_file)))


def test_a_killed_guard_leaves_nothing_even_without_the_mark(run: Run, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    daemon = f"env -i {script(python(DAEMON, pid_file))}; until test -e {pid_file}; do :; done"
    assert run(f"{daemon}; kill -9 $PPID").lost
    wait_until(lambda: not is_running(pid_in(pid_file)))


@pytest.mark.parametrize("frozen", FROZEN)
def test_a_frozen_guard_is_given_up_and_its_tree_ended(
    run: Run, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, frozen: str
) -> None:
    monkeypatch.setattr(supervisor, "ANSWER_SECONDS", 0.01)

    def be_late(line: bytes) -> None:
        guard = psutil.Process(int(line.split()[0]))
        wait_until(lambda: guard.status() == psutil.STATUS_STOPPED)
        clock.passed = LIMIT_SECONDS

    hidden = f"env -i setsid sh -c 'echo $$ > {tmp_path}/hidden; exec sleep 1000' &"
    wait = f"until test -s {tmp_path}/hidden; do :; done"
    command = f"{hidden}\n{wait}; echo $PPID $$; {FROZEN[frozen]}; exec sleep 1000"
    ended = run(command, timeout_seconds=LIMIT_SECONDS, on_line=be_late)
    assert (ended.timed_out, ended.lost) == (True, True)
    guard_pid, main = map(int, (tmp_path / "log").read_text().split())
    left = pid_in(tmp_path / "hidden")
    wait_until(lambda: not any(map(is_running, (guard_pid, main, left))))
    assert run("exit 5", timeout_seconds=LIMIT_SECONDS).code == 5


def test_commands_go_on_after_one_froze_the_guard_server(mark: str, tmp_path: Path) -> None:
    with Guard() as guard:
        run = runner(guard, mark, tmp_path)
        server = psutil.Process(int(_parent_of_guard(run, tmp_path)))
        assert run(f"kill -STOP {server.pid}", timeout_seconds=60).ok
        assert run("exit 5", timeout_seconds=60).code == 5
    assert not is_running(server.pid)


def test_commands_go_on_after_one_killed_the_guard_server(mark: str, tmp_path: Path) -> None:
    with Guard() as guard:
        run = runner(guard, mark, tmp_path)
        server = psutil.Process(int(_parent_of_guard(run, tmp_path)))
        assert run(f"kill -9 {server.pid}").ok
        wait_until(lambda: not is_running(server.pid))
        assert run("exit 5").code == 5


def _parent_of_guard(run: Run, folder: Path) -> str:
    run("cut -d' ' -f4 /proc/$PPID/stat", log=folder / "parent")
    return (folder / "parent").read_text()


def test_sweep_ends_every_process_of_the_mark_and_no_other(mark: str) -> None:
    start = partial(subprocess.Popen, ["/bin/sh", "-c", "exec sleep 1000"])
    left = [start(env=PATH | {MARK: f"{mark}{number}"}) for number in range(3)]
    others = [start(env=PATH | {MARK: "other"}), start(env=PATH)]
    try:
        wait_until(lambda: all(MARK in psutil.Process(p.pid).environ() for p in left))
        assert sweep(mark) == 3
        assert [p.wait() for p in left] == [-signal.SIGKILL] * 3
        assert [p.poll() for p in others] == [None, None]
        assert sweep(mark) == 0
    finally:
        for other in others:
            other.kill()
            other.wait()


def test_no_descriptor_and_no_process_is_left_behind(mark: str, tmp_path: Path) -> None:
    before = open_descriptors()
    with Guard() as guard:
        run = runner(guard, mark, tmp_path)
        for _ in range(20):
            run("true")
            run("echo", on_line=lambda _: None)
            run(["no-such-program"])
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(run, ["true"] * 32))
        server = psutil.Process(int(_parent_of_guard(run, tmp_path)))
        wait_until(lambda: not server.children())
        assert open_descriptors() == before + 1
    assert not is_running(server.pid)
    assert open_descriptors() == before
