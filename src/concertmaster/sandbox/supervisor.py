"""Runs commands of agents and checks, and ends each with its whole tree of processes.

A command is hostile: it may hang, leave daemons, flood its output or kill its guard. So it runs
below a guard (guard.py) that ends the tree with the command, when told to, or when we die.
"""

from __future__ import annotations

import json
import math
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from concertmaster.errors import EnvironmentFault
from concertmaster.sandbox.exit_status import Exit
from concertmaster.sandbox.host import MARK, end_marked
from concertmaster.sandbox.output import Output
from concertmaster.sandbox.users import Account

GUARD_PROGRAM = Path(__file__).with_name("guard_server.py")
TICK_SECONDS = 1.0
EVERY = ""  # what every mark starts with
ANSWER_SECONDS = 20.0  # more than the guard's graces together; a guard this late was frozen


class Guard:
    """Runs commands, each below a guard process. A context manager; all methods are thread-safe.

    Enter it early, while the process is small. On exit all commands are ended.
    """

    def __init__(self) -> None:
        self._lock = threading.Condition()  # notified when commands are to end
        self._running: set[_Running] = set()
        self._stopped_prefixes: set[str] = set()
        self._server_lock = threading.Lock()
        self._server: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def __enter__(self) -> Guard:
        self._socket = self._start_server()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_all()
        with self._server_lock:
            self._end_server()

    def run(
        self,
        argv: Sequence[str],
        *,
        mark: str,
        cwd: Path,
        env: Mapping[str, str],
        stdin: bytes = b"",
        log: Path,
        on_line: Callable[[bytes], None] | None = None,
        timeout_seconds: float | None = None,
        account: Account | None = None,
    ) -> Exit:
        """Run the command to its end and the end of all it started.

        With an account it runs as that user, with no right of ours, and all that this user then
        still runs is ended too.

        Output is appended to `log`. With `on_line` the lines of stdout are also given to it,
        without their line feed and cut at 1 MiB, and stderr goes to a `.stderr` file beside the
        log. `mark` must be unique among running commands. An error of `on_line` or of the disk
        ends the command and is raised.
        """
        started = time.monotonic()
        with self._registered(mark, timeout_seconds) as running:
            if running.stopped:
                return Exit(stopped=True)
            request = {
                "argv": list(argv),
                "cwd": str(cwd.absolute()),
                "env": {**env, MARK: mark},
                "uid": account.uid if account else 0,
            }
            with Output(log, on_line) as output:
                self._hand_over(running, request, stdin, output)
                running.follow(output)
                output.finish()
        ended = running.exit(time.monotonic() - started)
        if ended.lost or sys.platform != "linux":  # elsewhere daemons leave the guard's tree
            end_marked(lambda other: other == mark)
            if account is not None:
                end_users([account.uid])
        return ended

    def stop(self, mark_prefix: str) -> None:
        """End every command whose mark starts so, now and to come; `run` answers `stopped`."""
        with self._lock:
            self._stopped_prefixes.add(mark_prefix)
            for running in self._running:
                if running.mark.startswith(mark_prefix):
                    running.stopped = True
                    running.end()
            self._lock.notify_all()

    def wait(self, seconds: float, *, mark: str) -> None:
        """Let the time pass, but not longer than commands of this mark may run."""
        with self._lock:
            self._lock.wait_for(lambda: self._is_stopped(mark), seconds)

    def _is_stopped(self, mark: str) -> bool:
        return any(map(mark.startswith, self._stopped_prefixes))

    def stop_all(self) -> None:
        """End every command, now and to come."""
        self.stop(EVERY)

    @contextmanager
    def _registered(self, mark: str, timeout_seconds: float | None) -> Iterator[_Running]:
        running = _Running(mark, math.inf if timeout_seconds is None else timeout_seconds)
        with self._lock:
            running.stopped = self._is_stopped(mark)
            self._running.add(running)
        try:
            yield running
        finally:
            running.await_guard()
            with self._lock:  # `stop` must not meet a closed socket
                self._running.remove(running)
                running.control.close()

    def _hand_over(
        self, running: _Running, request: dict[str, Any], stdin: bytes, output: Output
    ) -> None:
        """Give the guard server all that the command needs, and keep none of it open."""
        with (
            _file_of(json.dumps(request).encode()) as request_fd,
            _file_of(stdin) as stdin_fd,
            running.far_end as far_end,
            output.far_ends() as (stdout, stderr),
        ):
            fds = [request_fd, stdin_fd, stdout, stderr, far_end.fileno()]
            self._send(fds)

    def _send(self, fds: list[int]) -> None:
        with self._server_lock:
            if (
                EVERY in self._stopped_prefixes
            ):  # since the command was registered; so it never begins
                return
            assert self._socket is not None, "a Guard runs commands only inside its with block"
            try:
                socket.send_fds(self._socket, [b"."], fds)
            except ConnectionError:  # a command of our own user can kill the server
                self._socket = self._start_server()
                socket.send_fds(self._socket, [b"."], fds)

    def _start_server(self) -> socket.socket:
        self._end_server()
        near_end, far_end = socket.socketpair()
        with far_end:
            try:
                self._server = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(GUARD_PROGRAM)],
                    stdin=far_end.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    start_new_session=True,
                )
            except OSError as error:
                raise EnvironmentFault(
                    "the guard of the commands could not be started",
                    why=f"{sys.executable}: {error.strerror}",
                    next_step="check the limits on processes and memory of this user",
                ) from error
        return near_end

    def _end_server(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._server is not None:
            try:
                self._server.wait(ANSWER_SECONDS)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
            self._server = None


class _Running:
    """One command, seen from the thread that waits for it."""

    def __init__(self, mark: str, timeout_seconds: float) -> None:
        self.mark = mark
        self.control, self.far_end = socket.socketpair()
        self.stopped = False
        self._timed_out = False
        self._ends_at = time.monotonic() + timeout_seconds
        self._overdue_at = math.inf
        self._answer = b""

    def end(self) -> None:
        """Tell the guard to end the tree; it answers within ANSWER_SECONDS."""
        self._overdue_at = min(self._overdue_at, time.monotonic() + ANSWER_SECONDS)
        with suppress(OSError):  # the guard is gone already
            self.control.send(b"stop")

    def follow(self, output: Output) -> None:
        """Pass the output on until the guard has answered, or is given up."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.control, selectors.EVENT_READ)
            if output.pipe is not None:
                selector.register(output.pipe, selectors.EVENT_READ)
            while self._pass_on(selector, output):
                if not self._keep_time():
                    self._kill_guard()
                    return

    def _pass_on(self, selector: selectors.BaseSelector, output: Output) -> bool:
        """Wait for output or an answer. False when the guard has answered and ended."""
        for key, _ in selector.select(self._patience()):
            if key.fileobj is self.control:
                if not self._hear():
                    return False
            elif not output.pump():
                selector.unregister(key.fileobj)
        return True

    def await_guard(self) -> None:
        """Return when the guard and so the tree is gone, however `follow` was left."""
        self.far_end.close()
        with suppress(OSError):
            self.control.shutdown(socket.SHUT_WR)
            self.control.settimeout(ANSWER_SECONDS)
            while self._hear():
                pass

    def exit(self, seconds: float) -> Exit:
        answer = self._parsed_answer()
        return Exit(
            code=answer.get("code"),
            signal=answer.get("signal"),
            error=answer.get("error", ""),
            # Without a word from a guard it never began, which is what a stop wants.
            lost=answer.keys() == {"guard"} or not (answer or self.stopped),
            timed_out=self._timed_out,
            stopped=self.stopped,
            seconds=seconds,
        )

    def _hear(self) -> bool:
        try:
            data = self.control.recv(4096)
        except ConnectionResetError:  # it answered and ended with our word to it unread
            return False
        self._answer += data
        return bool(data)

    def _patience(self) -> float:
        # The tick is for `stop`, which moves the time from another thread.
        until = min(self._overdue_at, math.inf if self._timed_out else self._ends_at)
        return max(0.0, min(TICK_SECONDS, until - time.monotonic()))

    def _keep_time(self) -> bool:
        """End the command at its limit. False when its guard does not even answer to that."""
        now = time.monotonic()
        if now >= self._ends_at and not self._timed_out:
            self._timed_out = True
            self.end()
        return now < self._overdue_at

    def _kill_guard(self) -> None:
        """A command can freeze its guard by SIGSTOP; the server then ends what that leaves."""
        answer = self._parsed_answer()
        if answer.keys() == {"guard"}:  # else it has ended, and the number may be another's
            with suppress(ProcessLookupError):
                os.kill(answer["guard"], signal.SIGKILL)

    def _parsed_answer(self) -> dict[str, Any]:
        answer: dict[str, Any] = {}
        for line in self._answer.splitlines():
            answer |= json.loads(line)
        return answer


def end_users(uids: Collection[int]) -> None:
    """End every process of these users. Raises EnvironmentFault when one does not end."""
    if not uids:
        return
    # In a process of its own, since that is these users for a moment.
    words = [sys.executable, "-I", "-S", str(GUARD_PROGRAM), *map(str, uids)]
    if subprocess.run(words, check=False, cwd="/", env={}).returncode != 0:
        raise EnvironmentFault(
            "not all processes of an attempt could be ended",
            why=f"they still run as one of the users {', '.join(map(str, uids))}",
            next_step="end them, or start this machine or container anew",
        )


@contextmanager
def _file_of(content: bytes) -> Iterator[int]:
    """A descriptor of a file without a name: any size needs no writer beside the command."""
    # Memory where it can be had: an environment holds keys, and any user may reopen /dev/stdin.
    is_linux = sys.platform == "linux"
    with os.fdopen(os.memfd_create("input"), "w+b") if is_linux else TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        yield file.fileno()
