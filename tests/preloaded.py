"""Runs the program in forks of a process that has loaded it, as loading takes most of a start.

Each call is a process of its own, with its own folder, environment, streams and exit code. Only
`/proc/PID/environ` and `/proc/PID/cmdline` show the process that it was forked from.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any


class Preloaded:
    """A process that has loaded the program and waits for calls; it ends with this one."""

    def __init__(self) -> None:
        self._orders, orders = socket.socketpair()
        # It forks twice, so that tests that look for left child processes do not find it.
        subprocess.run(
            [sys.executable, "-P", __file__, str(orders.fileno())],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[orders.fileno()],
            check=True,
        )
        orders.close()

    def run(
        self, arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], streams: Sequence[int]
    ) -> int:
        """Run the program; return its exit code.

        `streams` are the descriptors of its standard input, output and error.
        """
        call, other_end = socket.socketpair()
        with call:
            with other_end:
                socket.send_fds(self._orders, [b"x"], [other_end.fileno()])
            socket.send_fds(call, [b"x"], list(streams))
            order = {"arguments": [*arguments], "cwd": str(cwd), "env": dict(env)}
            call.sendall(json.dumps(order).encode())
            call.shutdown(socket.SHUT_WR)
            return int(_read(call))

    def close(self) -> None:
        self._orders.close()


_lock = threading.Lock()
_started: list[Preloaded] = []


def preloaded() -> Preloaded:
    """Return the loaded program, which all tests of this process share."""
    with _lock:
        if not _started:
            _started.append(Preloaded())
            atexit.register(_started[0].close)
        return _started[0]


def _read(call: socket.socket) -> bytes:
    return b"".join(iter(lambda: call.recv(1 << 16), b""))


# The functions below run in the other process.


def _serve(orders: socket.socket) -> None:
    """Fork for each call; return in the fork, ready to run the program."""
    while True:
        _, fds, _, _ = socket.recv_fds(orders, 1, 1)
        _reap()
        if not fds:
            os._exit(0)
        call = socket.socket(fileno=fds[0])
        if os.fork() == 0:
            orders.close()
            _watch(call)
            return
        call.close()


def _reap() -> None:
    """Collect the calls that have ended, so that their CPU time counts for this process."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


def _watch(call: socket.socket) -> None:
    """Fork, return in the child, and send its exit code to the caller."""
    _, streams, _, _ = socket.recv_fds(call, 1, 3)
    order = json.loads(_read(call))
    child = os.fork()
    if child == 0:
        call.close()
        _prepare(order, streams)
        return
    for stream in streams:
        os.close(stream)
    _, status = os.waitpid(child, 0)
    call.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _prepare(order: Any, streams: Sequence[int]) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    time.tzset()
    sys.path.insert(0, order["cwd"])
    sys.argv[1:] = order["arguments"]


def _load() -> None:
    import jinja2  # noqa: F401, PLC0415
    import markdown_it.tree  # noqa: F401, PLC0415

    import concertmaster  # noqa: PLC0415

    for module in walk_packages(concertmaster.__path__, "concertmaster."):
        if module.name != "concertmaster.__main__":
            import_module(module.name)


def _main(orders: socket.socket) -> None:
    if os.fork():
        os._exit(0)
    os.setsid()
    _load()
    gc.freeze()
    _serve(orders)
    runpy.run_module("concertmaster", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main(socket.socket(fileno=int(sys.argv[1])))
