"""Fixtures and helpers of the tests that run commands below real guards."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest

from concertmaster.sandbox import supervisor
from concertmaster.sandbox.environment import shell_argv
from concertmaster.sandbox.exit_status import Exit
from concertmaster.sandbox.host import sweep
from concertmaster.sandbox.supervisor import Guard
from tests.conftest import wait_until

LIMIT_SECONDS = 600.0
PATH = {"PATH": os.defpath}

# Forks twice into its own session, closes all descriptors and ignores SIGTERM.
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
    """Return `guard.run` with defaults for most arguments; a text is run by the shell."""

    def run(argv: Sequence[str] | str, *, env: Mapping[str, str] = PATH, **rest: Any) -> Exit:
        rest = {"mark": mark, "cwd": folder, "log": folder / "log", **rest}
        return guard.run(shell_argv(argv) if isinstance(argv, str) else argv, env=env, **rest)

    return run


def python(code: str, *arguments: object) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code, *map(str, arguments)]


def script(argv: Sequence[str]) -> str:
    return " ".join("'" + word.replace("'", "'\\''") + "'" for word in argv)


class Clock:
    """A clock that a test can set forward."""

    def __init__(self) -> None:
        self.passed = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.passed


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(supervisor, "time", clock)
    return clock


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def pid_in(file: Path) -> int:
    wait_until(file.exists)
    return int(file.read_text())
