"""Commands get their arguments, environment and input, and report their exit."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from concertmaster.sandbox.supervisor import Guard
from tests.integration.sandbox.supervisor.conftest import PATH, Run, runner


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
