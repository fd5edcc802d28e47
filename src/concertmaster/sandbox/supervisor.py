"""Runs commands of agents and checks, and ends each with its whole process tree.

Commands are untrusted: they may hang, leave daemons, flood their output or kill their guard. Each
runs below a guard process (`guard_server`) that ends the tree when the command ends, when it is
told to, or when this process dies.
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
from concertmaster.sandbox.host import GUARD_PROGRAM, MARK, end_marked
from concertmaster.sandbox.output import Output
from concertmaster.sandbox.users import Account

TICK_SECONDS = 1.0
EVERY = ""  # a prefix of every mark
ANSWER_SECONDS = 20.0  # longer than all grace times of the guard; a later guard is frozen


class Guard:
    """Runs commands, each below a guard process. A context manager with thread-safe methods.

    Enter it early, while the process is small and cheap to fork. Leaving it ends all commands.
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
        keeps_daemons: bool = False,
    ) -> Exit:
        """Run the command, end its whole process tree and return how the command ended.

        With `keeps_daemons`, and without an account, processes that left the command's session
        live on until the end of this Guard, for other commands to use.

        With an account the command runs as that user without privileges, and all other processes
        of this user are ended too.

        Output is appended to `log`. With `on_line` the lines of stdout are also passed to it,
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
                "daemons": keeps_daemons,
            }
            with Output(log, on_line) as output:
                self._hand_over(running, request, stdin, output)
                running.follow(output)
                output.finish()
        ended = running.exit(time.monotonic() - started)
        # Elsewhere daemons leave the guard's tree.
        if ended.lost or (sys.platform != "linux" and not keeps_daemons):
            end_marked(lambda other: other == mark)
            if account is not None:
                end_users([account.uid])
        return ended

    def stop(self, mark_prefix: str) -> None:
        """End all present and future commands whose mark has the prefix; they end as `stopped`."""
        with self._lock:
            self._stopped_prefixes.add(mark_prefix)
            for running in self._running:
                if running.mark.startswith(mark_prefix):
                    running.stopped = True
                    running.end()
            self._lock.notify_all()

    def wait(self, seconds: float, *, mark: str) -> None:
        """Wait for the time to pass, or until commands with this mark are stopped."""
        with self._lock:
            self._lock.wait_for(lambda: self._is_stopped(mark), seconds)

    def _is_stopped(self, mark: str) -> bool:
        return any(map(mark.startswith, self._stopped_prefixes))

    def stop_all(self) -> None:
        """End all present and future commands."""
        self.stop(EVERY)

    @contextmanager
    def _registered(self, mark: str, timeout_seconds: float | None) -> Iterator[_Running]:
        seconds = math.inf if timeout_seconds is None else timeout_seconds
        running = _Running(mark, seconds, wake_server=self._wake_server)
        with self._lock:
            running.stopped = self._is_stopped(mark)
            self._running.add(running)
        try:
            yield running
        finally:
            running.await_guard()
            with self._lock:  # `stop` must not use a closed socket
                self._running.remove(running)
                running.control.close()

    def _hand_over(
        self, running: _Running, request: dict[str, Any], stdin: bytes, output: Output
    ) -> None:
        """Send the command's request and streams to the guard server, and close them here."""
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
            if EVERY in self._stopped_prefixes:  # stopped after the command was registered
                return
            assert self._socket is not None, "a Guard runs commands only inside its with block"
            try:
                socket.send_fds(self._socket, [b"."], fds)
            except ConnectionError:  # a command of our own user can kill the server
                self._socket = self._start_server()
                socket.send_fds(self._socket, [b"."], fds)

    def _wake_server(self) -> None:
        """Let the guard server go on that a command has stopped; all commands wait for it."""
        server = self._server
        if server is not None:
            server.send_signal(signal.SIGCONT)

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
            self._wake_server()
            try:
                self._server.wait(ANSWER_SECONDS)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
            self._server = None


class _Running:
    """The state of one command in the thread that waits for it."""

    def __init__(
        self, mark: str, timeout_seconds: float, *, wake_server: Callable[[], None]
    ) -> None:
        self.mark = mark
        self._wake_server = wake_server
        self.control, self.far_end = socket.socketpair()
        self.stopped = False
        self._timed_out = False
        self._ends_at = time.monotonic() + timeout_seconds
        self._overdue_at = math.inf
        self._answer = b""

    def end(self) -> None:
        """Tell the guard to end the tree, which must take less than ANSWER_SECONDS."""
        self._overdue_at = min(self._overdue_at, time.monotonic() + ANSWER_SECONDS)
        with suppress(OSError):  # the guard is gone already
            self.control.send(b"stop")

    def follow(self, output: Output) -> None:
        """Read the output until the guard has answered; kill a guard that does not answer."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.control, selectors.EVENT_READ)
            for pipe in output.pipes:
                selector.register(pipe, selectors.EVENT_READ)
            while self._pass_on(selector, output):
                if not self._keep_time():
                    self._kill_guard()
                    return

    def _pass_on(self, selector: selectors.BaseSelector, output: Output) -> bool:
        """Wait for output or an answer; return False when the guard has answered and ended."""
        ready = selector.select(self._patience())
        if not ready:
            self._wake_server()
        for key, _ in ready:
            if key.fileobj is self.control:
                if not self._hear():
                    return False
            elif not output.pump(key.fd):
                selector.unregister(key.fileobj)
        return True

    def await_guard(self) -> None:
        """Wait until the guard and its tree have ended, also if `follow` raised an error."""
        self.far_end.close()
        with suppress(OSError):
            self.control.shutdown(socket.SHUT_WR)
            self.control.settimeout(ANSWER_SECONDS)
            while self._hear():
                pass

    def exit(self, seconds: float) -> Exit:
        """Return how the command ended; `seconds` is how long it ran."""
        answer = self._parsed_answer()
        return Exit(
            code=answer.get("code"),
            signal=answer.get("signal"),
            error=answer.get("error", ""),
            # A stopped command without any answer never started, so it is not lost.
            lost=answer.keys() == {"guard"} or not (answer or self.stopped),
            timed_out=self._timed_out,
            stopped=self.stopped,
            seconds=seconds,
        )

    def _hear(self) -> bool:
        try:
            data = self.control.recv(4096)
        except ConnectionResetError:  # the guard ended before it read the request to stop
            return False
        self._answer += data
        return bool(data)

    def _patience(self) -> float:
        # The tick is needed because `stop` changes `_overdue_at` from another thread.
        until = min(self._overdue_at, math.inf if self._timed_out else self._ends_at)
        return max(0.0, min(TICK_SECONDS, until - time.monotonic()))

    def _keep_time(self) -> bool:
        """End the command at its time limit; return False when its guard is overdue."""
        now = time.monotonic()
        if now >= self._ends_at and not self._timed_out:
            self._timed_out = True
            self.end()
        return now < self._overdue_at

    def _kill_guard(self) -> None:
        """Kill a guard that its command froze by SIGSTOP; the guard server then ends the tree."""
        answer = self._parsed_answer()
        if answer.keys() == {"guard"}:  # else it has ended, and its id may be reused
            with suppress(ProcessLookupError):
                os.kill(answer["guard"], signal.SIGKILL)
        self._wake_server()

    def _parsed_answer(self) -> dict[str, Any]:
        answer: dict[str, Any] = {}
        for line in self._answer.splitlines():
            answer |= json.loads(line)
        return answer


def end_users(uids: Collection[int]) -> None:
    """End every process of these users. Raises EnvironmentFault if one does not end."""
    if not uids:
        return
    # In a separate process, because it switches to these users for a moment.
    words = [sys.executable, "-I", "-S", str(GUARD_PROGRAM), *map(str, uids)]
    if subprocess.run(words, check=False, cwd="/", env={}).returncode != 0:
        raise EnvironmentFault(
            "not all processes of an attempt could be ended",
            why=f"they still run as one of the users {', '.join(map(str, uids))}",
            next_step="end them, or start this machine or container anew",
        )


@contextmanager
def _file_of(content: bytes) -> Iterator[int]:
    """Yield a descriptor of an unnamed file with the content.

    Unlike a pipe, it needs no thread that writes while the command reads.
    """
    # In memory on Linux: environments contain keys, and the command's user may reopen /dev/stdin.
    is_linux = sys.platform == "linux"
    with os.fdopen(os.memfd_create("input"), "w+b") if is_linux else TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        yield file.fileno()
