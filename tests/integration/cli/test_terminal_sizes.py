"""The view of a run in a real pseudo-terminal: resized, without colours, dumb, and in a pipe."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from tests.unit.terminal.test_live import KEYS

ROOT = Path(__file__).parents[3]
PATH = "src/a/long/path/of/a/module.py"
# Forty tasks, eight at once. Each event waits for a line, so that sizes change between events.
CHILD = f"""
import sys
from concertmaster.run.state_machine import begin_run, handle
from concertmaster.terminal.console import Console
from tests import journals
from tests.unit.terminal.test_live import KEYS, forty
ends = [event for key in KEYS[:8] for event in journals.succeed(key, at=2)]
state = begin_run(forty())
console = Console(sys.stdout, sys.stderr, terminal=sys.stderr.isatty(), json=False)
with console.progress() as progress:
    for event in (*journals.begin(), *ends):
        sys.stdin.readline()
        state, _ = handle(state, event)
        progress.update(state, event)
        for key in state.tasks.running:
            progress.activity(key, "reads {PATH} and thinks about what it says")
        progress.notice("a word of {PATH} that everyone has to know, however narrow it is here")
        print("done", flush=True)
"""
STEPS = 2 + 8 * 4
SIZES = [(80, 24), (100, 30), (160, 50), (60, 10), (80, 24), (160, 24), (100, 50), (80, 10)] * 2
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOURS = re.compile(r"\x1b\[(3|4|9)[0-9]|\x1b\[[0-9;]*;(3|9)[0-7]")


def play(sizes: Sequence[tuple[int, int]], **environment: str) -> list[tuple[int, str]]:
    """Return what came to the terminal at each size, with the greatest width of that time."""
    own, its = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "TERM": "xterm", "PYTHONPATH": "src:.", **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=its,
    )
    os.close(its)
    os.set_blocking(own, False)
    assert process.stdin
    assert process.stdout
    heard, widths = [""], [0]
    for step in range(STEPS):
        width, height = sizes[step * len(sizes) // STEPS]
        fcntl.ioctl(own, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        widths.append(width)
        process.stdin.write(b"\n")
        process.stdin.flush()
        heard.append(listen(own, process.stdout.fileno()))
    process.stdin.close()
    heard.append(listen(own, process.stdout.fileno()))
    assert process.wait() == 0
    os.close(own)
    process.stdout.close()
    return [(max(widths[max(0, n - 1) : n + 2]), text) for n, text in enumerate(heard)]


def listen(terminal: int, answers: int) -> str:
    """Return what comes to the terminal until an answer comes, or the end of all answers."""
    heard = b""
    while True:
        ready, _, _ = select.select([terminal, answers], [], [])
        heard += read_all(terminal)
        if answers in ready:
            os.read(answers, 100)
            return (heard + read_all(terminal)).decode(errors="replace")


def read_all(terminal: int) -> bytes:
    """Return what lies ready at the terminal."""
    heard = b""
    # There is nothing now, or the other end is closed.
    with suppress(OSError):
        while data := os.read(terminal, 65536):
            heard += data
    return heard


def words_of(text: str) -> list[str]:
    return ESCAPES.sub("", text).replace("\r", "\n").split()


def test_no_word_is_broken_in_a_terminal_that_is_resized_again_and_again() -> None:
    played = play(SIZES)
    told = "".join(text for _, text in played)

    for width, text in played:
        lines = re.split(r"[\r\n]+", ESCAPES.sub("", text))
        assert all(len(line) <= width for line in lines[1:-1]), (width, lines)
    words = words_of(told)
    names = {word.strip(",.;:()") for word in words if word.startswith("task-number-")}
    assert all(name in KEYS or "\u2026" in name for name in names), names
    assert {word for word in words if word.startswith("src/")} == {PATH}
    assert len(names & {*KEYS}) >= 8


@pytest.mark.parametrize(
    ("environment", "draws"), [({"NO_COLOR": "1"}, True), ({"TERM": "dumb"}, False)]
)
def test_a_terminal_that_wants_no_colours_gets_none(
    environment: dict[str, str], draws: bool
) -> None:
    told = "".join(text for _, text in play([(80, 24)], **environment))

    assert not COLOURS.search(told)
    assert bool(ESCAPES.search(told)) is draws
    assert PATH in told


def test_a_pipe_gets_plain_lines() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "TERM": "xterm", "PYTHONPATH": "src:."},
        input="\n" * STEPS,
        capture_output=True,
        text=True,
        check=True,
    )

    assert "\x1b" not in done.stderr
    assert f"{KEYS[0]}  implement finished" in done.stderr
