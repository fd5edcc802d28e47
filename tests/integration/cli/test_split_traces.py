"""`concertmaster split` leaves nothing behind but the files that it was told to write."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys

import pytest

from tests.conftest import in_matrix, wait_until
from tests.integration.cli.split_desk import GOOD, WRITTEN, Desk

# Ctrl-C only reaches a session whose leader has opened the terminal itself.
AS_TERMINAL = """
import os, runpy
os.close(os.open(os.ttyname(0), os.O_RDWR))
runpy.run_module("concertmaster", run_name="__main__", alter_sys=True)
"""
INTERRUPT = "\x03"


def test_what_the_agent_changes_is_thrown_away(desk: Desk) -> None:
    desk.answer(GOOD, script="echo mine > a.txt; rm b.txt; mkdir -m 0 locked; git commit -qam x")

    assert desk.split("--yes").code == 0
    assert desk.new_files == WRITTEN
    assert (desk.project.root / "a.txt").read_text() == "a\n"
    assert desk.project.git("log", "--format=%s").split("\n")[0] == "A list"
    assert desk.traces == []


def wait_for_agent(desk: Desk) -> tuple[subprocess.Popen[str], int]:
    """Start a split and wait for its agent; return the process and the agent's process id."""
    desk.answer(GOOD, script='echo $$ > "$cd_to/agent.pid"; exec sleep 300')
    process = subprocess.Popen(
        [sys.executable, "-m", "concertmaster", "split", "prompts/list.md", *desk.command],
        cwd=desk.project.root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    file = desk.folder / "agent.pid"
    wait_until(lambda: file.exists() and file.read_text().endswith("\n"))
    return process, int(file.read_text())


@pytest.mark.parametrize("number", in_matrix([signal.SIGINT, signal.SIGTERM, signal.SIGHUP]))
def test_whoever_interrupts_it_finds_nothing_left(desk: Desk, number: signal.Signals) -> None:
    process, agent = wait_for_agent(desk)

    process.send_signal(number)
    _, told = process.communicate()

    assert process.returncode == 130
    assert "nothing was written" in told
    assert (desk.new_files, desk.traces) == ([], [])
    assert not is_alive(agent)


@pytest.mark.matrix
def test_what_a_killed_one_leaves_goes_with_the_next_and_nobody_elses_does(desk: Desk) -> None:
    going_on, _ = wait_for_agent(desk)
    (kept,) = desk.traces
    (desk.folder / "agent.pid").unlink()
    killed, agent = wait_for_agent(desk)
    killed.kill()
    killed.communicate()
    wait_until(lambda: not is_alive(agent))
    assert len(desk.traces) == 2
    desk.answer(GOOD)

    assert desk.split("--yes").code == 0

    assert desk.traces == [kept]
    going_on.terminate()
    going_on.communicate()
    assert desk.traces == []


@pytest.mark.parametrize(
    ("reply", "written", "code"),
    [
        ("y\n", WRITTEN, 0),
        pytest.param("n\n", [], 0, marks=pytest.mark.matrix),
        pytest.param("\n", [], 0, marks=pytest.mark.matrix),
        pytest.param(INTERRUPT, [], 130, marks=pytest.mark.matrix),
    ],
)
def test_on_a_terminal_it_shows_all_and_asks(
    desk: Desk, reply: str, written: list[str], code: int
) -> None:
    desk.answer(GOOD)

    ended, shown = on_terminal(desk, reply=reply)

    question = shown.index("write these files?")
    assert -1 < shown.index("On top.") < question
    assert ("wrote 2 files to prompts/list" in shown[question:]) is bool(written)
    assert ended == code
    assert (desk.new_files, desk.traces) == (written, [])


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def on_terminal(desk: Desk, *, reply: str) -> tuple[int, str]:
    """Run a split on a terminal, give the reply, and return exit code and output."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", AS_TERMINAL, "split", "prompts/list.md", *desk.command],
        cwd=desk.project.root,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    while True:
        if not select.select([ours], [], [], 1.0)[0]:
            if reply == INTERRUPT and b"files?" in shown:
                # Python misses an interrupt that arrives just before it begins to read.
                os.write(ours, reply.encode())
            continue
        try:
            piece = os.read(ours, 4096)
        except OSError:  # Linux raises EIO when the other side is closed
            break
        if not piece:
            break
        asked_before = b"files?" in shown
        shown += piece
        if b"files?" in shown and not asked_before:
            os.write(ours, reply.encode())
    code = process.wait()  # closing the terminal first would send SIGHUP
    os.close(ours)
    return code, shown.decode().replace("\r\n", "\n")
