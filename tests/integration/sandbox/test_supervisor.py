"""Commands as hostile as agents get, run below real guards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest

import concertmaster
from concertmaster.sandbox import output, supervisor
from concertmaster.sandbox.environment import allowed_environment, shell_argv
from concertmaster.sandbox.exit_status import Exit
from concertmaster.sandbox.host import MARK, sweep
from concertmaster.sandbox.supervisor import Guard

SOURCE = Path(concertmaster.__file__).parents[1]
PATIENCE_SECONDS = 20.0
PATH = {"PATH": os.defpath}

# Forks twice into a session of its own, lets go of everything and ignores polite words.
DAEMON = """
import os, signal, sys
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
os.closerange(0, 100)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
fd = os.open(sys.argv[1] + ".new", os.O_CREAT | os.O_WRONLY)
os.write(fd, str(os.getpid()).encode())
os.rename(sys.argv[1] + ".new", sys.argv[1])
while True: signal.pause()
"""

CONCERTMASTER = """
import sys
from pathlib import Path
from concertmaster.sandbox.supervisor import Guard
folder = Path(sys.argv[1])
with Guard() as guard:
    guard.run(sys.argv[3:], mark=sys.argv[2], cwd=folder, env={}, log=folder / "log")
"""


@pytest.fixture(scope="module")
def guard() -> Iterator[Guard]:
    with Guard() as guard:
        yield guard


@pytest.fixture
def mark() -> Iterator[str]:
    mark = f"test-{uuid4()}/"
    yield mark
    sweep(mark)


Run = Callable[..., Exit]


@pytest.fixture
def run(guard: Guard, mark: str, tmp_path: Path) -> Run:
    return runner(guard, mark, tmp_path)


def runner(guard: Guard, mark: str, folder: Path) -> Run:
    """`run` with the arguments that most tests do not care for."""

    def run(argv: Sequence[str] | str, *, env: Mapping[str, str] = PATH, **rest: Any) -> Exit:
        rest = {"mark": mark, "cwd": folder, "log": folder / "log", **rest}
        return guard.run(shell_argv(argv) if isinstance(argv, str) else argv, env=env, **rest)

    return run


def python(code: str, *arguments: object) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code, *map(str, arguments)]


def script(argv: Sequence[str]) -> str:
    return " ".join("'" + word.replace("'", "'\\''") + "'" for word in argv)


def wait_until(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def pid_in(file: Path) -> int:
    wait_until(file.exists)
    return int(file.read_text())


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_command_answers_with_its_exit_code(run: Run) -> None:
    assert run("exit 0").ok
    failed = run("exit 3")
    assert (failed.code, failed.ok, failed.describe()) == (3, False, "exit 3")


def test_a_command_killed_by_a_signal_answers_with_it(run: Run) -> None:
    ended = run("kill -SEGV $$")
    assert (ended.code, ended.signal, ended.ok) == (None, signal.SIGSEGV, False)
    assert ended.describe() == "killed by SIGSEGV"


def test_a_missing_program_is_an_error_that_names_the_reason(run: Run) -> None:
    ended = run(["no-such-program"])
    assert not ended.ok
    assert not ended.lost
    assert ended.describe() == "could not start: no-such-program: No such file or directory"


def test_a_program_that_is_not_executable_is_an_error(run: Run, tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    assert run(["./tool"]).error == "./tool: Permission denied"


def test_a_folder_that_vanished_is_an_error_that_names_it(run: Run, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    assert run("true", cwd=gone).error == f"{gone}: No such file or directory"


def test_what_no_system_takes_as_an_argument_is_an_error(run: Run) -> None:
    assert "null" in run(["echo", "a\0b"]).error
    assert run(["echo", "a" * (4 << 20)]).error == "echo: Argument list too long"


def test_the_program_is_looked_up_in_the_path_of_the_command(run: Run, tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\nexit 7\n")
    tool.chmod(0o755)
    assert run(["tool"]).error
    assert run(["tool"], env={"PATH": f"{tmp_path}:{os.defpath}"}).code == 7


def test_a_command_sees_only_its_own_environment_and_its_mark(
    run: Run, mark: str, tmp_path: Path
) -> None:
    odd = os.fsdecode(b"\xff\xfe")
    run(["/usr/bin/env", "-0"], env={"ODD": odd, "LINES": "1\n2"})
    seen = (tmp_path / "log").read_bytes().rstrip(b"\0").split(b"\0")
    assert sorted(seen) == sorted(
        [b"ODD=\xff\xfe", b"LINES=1\n2", b"CONCERTMASTER_MARK=" + mark.encode()]
    )


def test_a_large_environment_reaches_the_command(run: Run) -> None:
    env = PATH | {f"NAME{number}": "x" * 100_000 for number in range(15)}
    assert run('test "${#NAME14}" = 100000', env=env).ok


def test_a_command_inherits_three_files_and_default_signals(run: Run, tmp_path: Path) -> None:
    run("ls -x /proc/self/fd; grep -E 'Sig(Ign|Blk)' /proc/self/status")
    fds, *masks = (tmp_path / "log").read_text().splitlines()
    assert fds.split() == ["0", "1", "2", "3"]  # the last is the folder that `ls` reads
    classic_signals = (1 << 31) - 1
    assert [int(mask.split()[1], 16) & classic_signals for mask in masks] == [0, 0]


def test_any_size_of_input_is_delivered_without_a_deadlock(run: Run) -> None:
    stdin = os.urandom(5 << 20)
    lines: list[bytes] = []
    assert run("cat", stdin=stdin, on_line=lines.append).ok
    assert b"\n".join(lines).rstrip(b"\n") == stdin.rstrip(b"\n")
    assert run("true", stdin=stdin).ok


def test_without_input_a_command_reads_an_empty_file(run: Run) -> None:
    assert run('test -z "$(cat)"').ok


def test_output_goes_to_the_log_and_errors_beside_it(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "tasks" / "1" / "transcript.jsonl"
    lines: list[bytes] = []
    run("echo one; echo oops >&2; printf two", log=log, on_line=lines.append)
    assert lines == [b"one", b"two"]
    assert log.read_bytes() == b"one\ntwo"
    assert log.with_suffix(".stderr").read_bytes() == b"oops\n"


def test_a_log_is_appended_to_and_takes_both_streams(run: Run, tmp_path: Path) -> None:
    for phase in ("first", "second"):
        run(f"echo {phase}; echo oops >&2")
    assert (tmp_path / "log").read_text() == "first\noops\nsecond\noops\n"


def test_lines_are_given_while_the_command_still_runs(run: Run, tmp_path: Path) -> None:
    answer = tmp_path / "answer"
    os.mkfifo(answer)

    def reply(line: bytes) -> None:
        if line == b"question":
            answer.write_bytes(b"42\n")

    assert run(f"echo question; test $(cat {answer}) = 42", on_line=reply).ok


def test_an_error_of_the_listener_ends_the_command_and_is_raised(run: Run, tmp_path: Path) -> None:
    def refuse(line: bytes) -> None:
        raise ValueError(line.decode())

    with pytest.raises(ValueError, match=r"^[0-9]+$") as refused:
        run("echo $$; exec sleep 1000", on_line=refuse)
    assert not is_running(int(str(refused.value)))


def test_a_hanging_command_ends_at_its_time_limit(run: Run, tmp_path: Path) -> None:
    ended = run("sleep 1000 & echo $$ $!; wait", timeout_seconds=0.3)
    assert ended.timed_out
    assert not ended.ok
    assert ended.describe().startswith("timed out after ")
    pids = [int(pid) for pid in (tmp_path / "log").read_text().split()]
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
    assert run(python(chain), timeout_seconds=0.3).seconds < PATIENCE_SECONDS
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
            assert started.acquire(timeout=PATIENCE_SECONDS)
        guard.stop(f"{mark}a/")
        for task in ("a/1", "a/2"):
            ended = hanging[task].result(PATIENCE_SECONDS)
            assert (ended.stopped, ended.ok, ended.describe()) == (True, False, "stopped")
        assert not hanging["b/1"].done()
        guard.stop(mark)
        assert hanging["b/1"].result(PATIENCE_SECONDS).stopped


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
        waiting.result(timeout=60)
        guard.wait(600.0, mark=f"{mark}/a")  # also one that begins only now


def test_leaving_the_guard_ends_what_still_runs(mark: str, tmp_path: Path) -> None:
    started = threading.Event()
    with ThreadPoolExecutor() as pool:
        with Guard() as guard:
            run = runner(guard, mark, tmp_path)
            ending = pool.submit(run, "echo; exec sleep 1000", on_line=lambda _: started.set())
            assert started.wait(PATIENCE_SECONDS)
        assert ending.result(PATIENCE_SECONDS).stopped


def test_a_flood_of_output_is_read_in_bounded_memory_and_logged_to_the_limit(
    run: Run, tmp_path: Path
) -> None:
    flood, line = 200 << 20, 64
    counted = 0

    def count(_: bytes) -> None:
        nonlocal counted
        counted += 1

    before = psutil.Process().memory_info().rss
    ended = run(f"yes {'x' * (line - 1)} | head -c {flood}", on_line=count)
    assert ended.ok
    assert counted == flood // line
    assert psutil.Process().memory_info().rss - before < 30 << 20
    log = (tmp_path / "log").read_bytes()
    dropped = flood - output.LOG_LIMIT_BYTES
    assert log[output.LOG_LIMIT_BYTES :] == (
        b"\n[%d more bytes of output were dropped]\n" % dropped
    )


def test_an_endless_line_is_cut_and_garbage_passes_unharmed(run: Run, tmp_path: Path) -> None:
    lines: list[bytes] = []
    ended = run(
        "head -c 9000000 /dev/zero; echo; printf '\\377\\000\\033[2J\\r\\n\\nlast'",
        on_line=lines.append,
    )
    assert ended.ok
    assert lines == [bytes(output.LINE_LIMIT_BYTES), b"\xff\0\x1b[2J\r", b"", b"last"]
    assert (tmp_path / "log").stat().st_size == 9_000_001 + 13


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


def test_a_frozen_guard_is_given_up_and_its_tree_ended(
    run: Run, mark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "ANSWER_SECONDS", 0.5)
    ended = run("echo $PPID $$; kill -STOP $PPID; exec sleep 1000", timeout_seconds=0.2)
    assert (ended.timed_out, ended.lost) == (True, True)
    guard_pid, main = map(int, (tmp_path / "log").read_text().split())
    wait_until(lambda: not is_running(guard_pid) and not is_running(main))


def test_a_slow_listener_does_not_lose_the_answer(
    guard: Guard, run: Run, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "ANSWER_SECONDS", 0.2)

    def linger(line: bytes) -> None:
        guard.stop(mark)
        wait_until(lambda: not is_running(int(line)))
        late = time.monotonic() + 2 * supervisor.ANSWER_SECONDS
        wait_until(lambda: time.monotonic() > late)

    ended = run("echo $$; exec sleep 1000", on_line=linger)
    assert (ended.stopped, ended.lost, ended.signal) == (True, False, signal.SIGTERM)


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


def test_many_threads_run_commands_at_once_and_each_gets_its_own_end(
    guard: Guard, mark: str, tmp_path: Path
) -> None:
    def run_numbered(number: int) -> tuple[int | None, list[bytes]]:
        lines: list[bytes] = []
        run = runner(guard, f"{mark}{number}", tmp_path)
        code = f"cat; exit {number}"
        stdin = b"%d" % number
        return run(code, stdin=stdin, log=tmp_path / str(number), on_line=lines.append).code, lines

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(run_numbered, range(64))) == [(n, [b"%d" % n]) for n in range(64)]


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


def test_a_guard_starts_in_a_process_with_many_open_files(mark: str, tmp_path: Path) -> None:
    with_high_numbers = [os.open("/dev/null", os.O_RDONLY) for _ in range(1500)]
    try:
        with Guard() as guard:
            lines: list[bytes] = []
            assert runner(guard, mark, tmp_path)("echo hello", on_line=lines.append).ok
            assert lines == [b"hello"]
    finally:
        for fd in with_high_numbers:
            os.close(fd)


def test_the_environment_holds_what_programs_need_and_no_secret() -> None:
    harmless = {"PATH": "/bin", "LC_ALL": "C", "XDG_CACHE_HOME": "/c", "https_proxy": "http://p"}
    secret = ("GITHUB_TOKEN", "ACTIONS_RUNTIME_TOKEN", "LC_TOKEN", "AWS_SECRET_ACCESS_KEY")
    way_out = ("PIP_INDEX_URL", "XDG_RUNTIME_DIR", "SSH_AUTH_SOCK", "LD_PRELOAD")
    source = harmless | dict.fromkeys((*secret, *way_out), "x")
    assert allowed_environment(source, ()) == harmless


def test_the_environment_holds_what_was_named_where_it_is_set() -> None:
    source = {"ANTHROPIC_API_KEY": "key", "GITHUB_TOKEN": "token"}
    assert allowed_environment(source, {"ANTHROPIC_API_KEY", "UNSET"}) == {
        "ANTHROPIC_API_KEY": "key"
    }


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        (Exit(code=0), "exit 0"),
        (Exit(signal=signal.SIGKILL), "killed by SIGKILL"),
        (Exit(signal=63), "killed by signal 63"),
        (Exit(timed_out=True, signal=15, seconds=2702), "timed out after 45 min"),
        (Exit(timed_out=True, signal=15, seconds=0.5), "timed out after 0.5 s"),
        (Exit(lost=True), "lost: its guard process was killed"),
    ],
)
def test_an_end_is_described_in_a_few_words(ended: Exit, words: str) -> None:
    assert ended.describe() == words
