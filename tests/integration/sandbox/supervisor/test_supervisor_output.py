"""The output of commands is logged, limited and passed on line by line."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest

from concertmaster.sandbox import output, supervisor
from concertmaster.sandbox.supervisor import Guard
from tests.conftest import wait_until
from tests.integration.sandbox.supervisor.conftest import Clock, Run, is_running


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


@pytest.mark.matrix
def test_a_flood_of_output_is_read_in_bounded_memory_and_logged_to_the_limit(
    run: Run, tmp_path: Path
) -> None:
    flood, line = output.LOG_LIMIT_BYTES + (32 << 20), 64
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


@pytest.mark.parametrize("stream", ["the log of a check", "the errors of an agent"])
def test_what_is_not_read_line_by_line_has_a_limit_and_keeps_its_end(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: str
) -> None:
    monkeypatch.setattr(output, "LOG_LIMIT_BYTES", 1 << 20)
    is_agent = stream == "the errors of an agent"
    lines: list[bytes] = []
    where, on_line = (">&2", lines.append) if is_agent else ("", None)
    script = f"(yes x | head -c {8 << 20}; echo the result) {where}"
    assert run(script, on_line=on_line).ok
    log = (tmp_path / ("log.stderr" if is_agent else "log")).read_bytes()
    assert len(log) < (1 << 20) + output.TAIL_BYTES + 100
    assert log.endswith(b"x\nthe result\n")
    assert log.count(b" more bytes of output were dropped]") == 1
    assert lines == []


def test_an_endless_line_is_cut_and_garbage_passes_unharmed(run: Run, tmp_path: Path) -> None:
    lines: list[bytes] = []
    ended = run(
        "head -c 9000000 /dev/zero; echo; printf '\\377\\000\\033[2J\\r\\n\\nlast'",
        on_line=lines.append,
    )
    assert ended.ok
    assert lines == [bytes(output.LINE_LIMIT_BYTES), b"\xff\0\x1b[2J\r", b"", b"last"]
    assert (tmp_path / "log").stat().st_size == 9_000_001 + 13


def test_a_slow_listener_does_not_lose_the_answer(
    guard: Guard, run: Run, mark: str, clock: Clock
) -> None:
    def linger(line: bytes) -> None:
        guard.stop(mark)
        guard_pid, main = map(int, line.split())
        wait_until(lambda: not is_running(guard_pid) and not is_running(main))
        clock.passed = 2 * supervisor.ANSWER_SECONDS

    ended = run("echo $PPID $$; exec sleep 1000", on_line=linger)
    assert (ended.stopped, ended.lost, ended.signal) == (True, False, signal.SIGTERM)
