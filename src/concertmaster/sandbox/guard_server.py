"""Forks a guard process for each command; the guard ends the command's whole process tree.

This module runs as its own program, `python -I -S guard_server.py`, with its socket as standard
input. It imports only the standard library and `process_tree`, and it forks because starting a
Python for each command takes 20 ms. With user ids as arguments it ends all processes of these
users instead.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
import time
import warnings  # noqa: F401  `os.execvpe` needs it, and the user of an attempt may not read it

if not __package__:
    sys.path.append(__file__.rsplit("/", 3)[0])
from concertmaster.sandbox.process_tree import (
    RESCAN_SECONDS,
    below,
    end_user,
    kill_user,
    signal_tree,
)

TYPE_CHECKING = False  # the start takes less time without `typing` and `pathlib`
if TYPE_CHECKING:
    from typing import Any, NoReturn

STOP_GRACE_SECONDS = 2.0
ORPHAN_GRACE_SECONDS = 0.5  # short: a resumed run may already need the worktree
KILL_SECONDS = 10.0  # limit, because a process in an uninterruptible call does not end
LAST_SECONDS = STOP_GRACE_SECONDS + 2 * KILL_SECONDS  # for guards without a client
REQUEST_FDS = 5  # request, stdin, stdout, stderr, control
# Python ignores the first two; `nohup` and shells ignore the others for background processes.
IGNORED = {
    *(signal.SIGPIPE, signal.SIGXFSZ),
    *(signal.SIGHUP, signal.SIGINT, signal.SIGQUIT),
}
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_GET_NO_NEW_PRIVS = 39
CREATE_RULESET, RESTRICT_SELF = 444, 446  # of Landlock, on every architecture
SCOPE_ABSTRACT_SOCKETS = 1
MOST_PROCESSES = 4096  # including threads, for one user; stops fork bombs
PRIVATE_UMASK = 0o077


def serve(server: socket.socket) -> None:
    """Fork a guard for each message; return when the client is gone and all guards have ended."""
    wake, life = wake_on_ended_child(), os.pipe()  # guards notice by `life` that we end
    guards: set[int] = set()
    is_open, kill_at = True, 0.0
    while is_open or guards:
        watched: list[Any] = [wake, server] if is_open else [wake]
        ready, _, _ = select.select(watched, [], [], None if is_open else RESCAN_SECONDS)
        ended, _ = reap(wake)
        # The server inherits the tree of a killed guard; each death there may add more orphans.
        if any(status or pid not in guards for pid, status in ended.items()):
            signal_tree(signal.SIGKILL, spare=guards)
        guards -= ended.keys()
        if server in ready and not accept(server, guards, life):
            is_open, kill_at = False, time.monotonic() + LAST_SECONDS
            os.close(life[1])
        if not is_open:
            wake_guards(guards, kill_at)


def wake_guards(guards: set[int], kill_at: float) -> None:
    """Let guards go on that their commands have stopped; kill those that take too long."""
    for pid in guards:
        os.kill(pid, signal.SIGCONT if time.monotonic() < kill_at else signal.SIGKILL)


def accept(server: socket.socket, guards: set[int], life: tuple[int, int]) -> bool:
    """Receive one message and fork its guard; return False when the client is gone."""
    data, fds, _, _ = socket.recv_fds(server, 1, REQUEST_FDS)
    try:
        if len(fds) == REQUEST_FDS:
            guards.add(fork_guard(fds, life))
    except OSError as error:
        with socket.socket(fileno=os.dup(fds[-1])) as control:
            answer(control, {"error": f"no guard process could be made: {error.strerror}"})
    finally:
        for fd in fds:
            os.close(fd)
    return bool(data)


def fork_guard(fds: list[int], life: tuple[int, int]) -> int:
    if pid := os.fork():
        return pid
    try:
        os.close(life[1])
        guard(fds, life[0])
        os._exit(0)
    finally:
        os._exit(1)  # an exception must not let the child continue as a second server


def guard(fds: list[int], life: int) -> None:
    """Start the command, wait for its end or a request to stop, end its tree, send its result.

    Daemons that may stay are ended when `life` is.
    """
    os.setsid()
    os.dup2(1, 0)  # closes the server's socket, so that its death is noticed
    for fd in fds:
        os.set_inheritable(fd, False)
    adopt_orphans()
    request_fd, *stdio, control_fd = fds
    with socket.socket(fileno=control_fd) as control:
        answer(control, {"guard": os.getpid()})
        with os.fdopen(request_fd) as file:
            request = json.load(file)
        try:
            tree = Tree(request, stdio)
        except OSError as error:
            answer(control, {"error": f"{error.filename}: {error.strerror}"})
            return
        except ValueError as error:  # a NUL in an argument
            answer(control, {"error": str(error)})
            return
        tree.end(tree.wait_for_end(control))
        answer(control, tree.result())
    if tree.daemons:
        tree.hold_daemons(life)


class Tree:
    """The process tree of one command; it has ended when this subreaper has no children."""

    def __init__(self, request: dict[str, Any], stdio: list[int]) -> None:
        self._wake = wake_on_ended_child()
        self._uid: int = request["uid"]  # 0 = the user of this process
        self._main = start_as(self._uid, request, stdio) if self._uid else start(request, stdio)
        self._status: int | None = None
        self._is_gone = False
        self._may_leave = request.get("daemons", False) and not self._uid
        self.daemons: set[int] = set()  # sessions of processes that may stay

    def wait_for_end(self, control: socket.socket) -> float:
        """Wait for the command's end or a request to stop; return the grace time in seconds."""
        while self._status is None:
            watched: list[Any] = [self._wake, control]
            ready, _, _ = select.select(watched, [], [])
            if control in ready:
                return STOP_GRACE_SECONDS if control.recv(64) else ORPHAN_GRACE_SECONDS
            self._reap()
        return 0.0

    def end(self, grace_seconds: float) -> None:
        """End the rest of the tree: by SIGTERM if there is grace time, then by SIGKILL.

        After a command that ended by itself, what has a session of its own may stay.
        """
        if self._may_leave and self._status is not None:
            self.daemons = {session for _, _, session in below(os.getpid())} - {self._main, 0}
        kill_at = time.monotonic() + grace_seconds
        if grace_seconds:
            signal_tree(signal.SIGTERM, self._main)
        while not self._is_gone and time.monotonic() < kill_at:
            self._wait(kill_at - time.monotonic())
        while not self._is_gone and time.monotonic() < kill_at + KILL_SECONDS:
            if self._uid:
                kill_user(self._uid)
            if not signal_tree(signal.SIGKILL, self._main, daemons=self.daemons) and self.daemons:
                break  # only daemons are left
            self._wait(RESCAN_SECONDS)
        if self._uid:
            end_user(self._uid, until=kill_at + KILL_SECONDS)

    def hold_daemons(self, life: int) -> None:
        """Wait until all daemons have ended or the server ends, and end the rest."""
        while not self._is_gone and life not in select.select([self._wake, life], [], [])[0]:
            self._reap()
        self._may_leave, self.daemons = False, set()
        self.end(STOP_GRACE_SECONDS)

    def result(self) -> dict[str, Any]:
        if self._status is None:
            return {"signal": signal.SIGKILL}
        code = os.waitstatus_to_exitcode(self._status)
        return {"code": code} if code >= 0 else {"signal": -code}

    def _wait(self, seconds: float) -> None:
        select.select([self._wake], [], [], max(seconds, 0.0))
        self._reap()

    def _reap(self) -> None:
        ended, self._is_gone = reap(self._wake)
        self._status = ended.get(self._main, self._status)


def start(request: dict[str, Any], stdio: list[int]) -> int:
    """Spawn the command in its own session with only its standard streams; return its pid."""
    env = request["env"]
    os.putenv("PATH", env.get("PATH", os.defpath))  # posix_spawnp uses the caller's
    os.chdir(request["cwd"])
    pid = os.posix_spawnp(
        request["argv"][0],
        request["argv"],
        env,
        file_actions=[(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(stdio)],
        setsid=True,
        setsigmask=(),
        setsigdef=IGNORED,
    )
    os.chdir("/")  # so that the worktree can be unmounted
    for fd in stdio:
        os.close(fd)
    return pid


def start_as(uid: int, request: dict[str, Any], stdio: list[int]) -> int:
    """Start the command as the user; return its pid. Raises ValueError with the reason."""
    told, tell = os.pipe()
    for fd in stdio[1:]:  # a program may reopen the file through /dev/stdout
        os.fchown(fd, uid, uid)
    pid = os.fork()
    if not pid:
        execute_as(uid, request, stdio, tell)
    for fd in (tell, *stdio):
        os.close(fd)
    with os.fdopen(told) as file:
        words = file.read()
    if words:
        os.waitpid(pid, 0)
        raise ValueError(words)
    return pid


def execute_as(uid: int, request: dict[str, Any], stdio: list[int], tell: int) -> NoReturn:
    """Replace this process by the command; write the reason to `tell` if that fails."""
    try:
        os.setsid()
        for number, fd in enumerate(stdio):
            os.dup2(fd, number)
        for ignored in IGNORED:
            signal.signal(ignored, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        what = f"user {uid}"
        become(uid)
        what = request["cwd"]
        os.chdir(what)
        what = request["argv"][0]
        os.execvpe(what, request["argv"], request["env"])  # noqa: S606
    except OSError as error:
        os.write(tell, f"{what}: {error.strerror}".encode("utf-8", "replace"))
    except ValueError as error:
        os.write(tell, str(error).encode())
    finally:
        os._exit(127)


def become(uid: int) -> None:
    """Switch to the user and give up all privileges. Raises OSError if any of them is left."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    _, most = resource.getrlimit(resource.RLIMIT_NPROC)
    most = MOST_PROCESSES if most == resource.RLIM_INFINITY else min(most, MOST_PROCESSES)
    resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
    os.umask(PRIVATE_UMASK)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    prctl(PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), *[ctypes.c_ulong(0)] * 3)
    is_bound = prctl(PR_GET_NO_NEW_PRIVS, *[ctypes.c_ulong(0)] * 4) == 1
    held = {*os.getresuid(), *os.getresgid(), *os.getgroups()}
    if held != {uid} or not is_bound:
        raise OSError(0, "it would have kept rights of ours")
    scope_sockets()


def scope_sockets() -> None:
    """Keep the process from abstract Unix sockets of others, where the kernel can (Linux 6.12).

    All attempts share one network, and such a socket has no mode. Elsewhere nothing is changed.
    """
    system = ctypes.CDLL(None, use_errno=True).syscall
    handled = struct.pack("=QQQ", 0, 0, SCOPE_ABSTRACT_SOCKETS)  # no right to files or ports
    number, none = ctypes.c_long, ctypes.c_long(0)
    ruleset = system(number(CREATE_RULESET), handled, number(len(handled)), none)
    if ruleset >= 0:
        system(number(RESTRICT_SELF), number(ruleset), none)
        os.close(ruleset)


def wake_on_ended_child() -> int:
    """Return a descriptor that becomes readable whenever a child ends."""
    wake, end = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(end, False)
    signal.set_wakeup_fd(end, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return wake


def reap(wake: int) -> tuple[dict[int, int], bool]:
    """Reap ended children; return their wait statuses by id, and whether no child is left."""
    with contextlib.suppress(BlockingIOError):
        while os.read(wake, 4096):
            pass
    ended = {}
    try:
        while (child := os.waitpid(-1, os.WNOHANG))[0]:
            ended[child[0]] = child[1]
    except ChildProcessError:
        return ended, True
    return ended, False


def adopt_orphans() -> None:
    """Become the subreaper of all descendants, and deny ptrace to processes of the same user."""
    if sys.platform == "linux":
        prctl = ctypes.CDLL(None).prctl
        prctl(PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), *[ctypes.c_ulong(0)] * 3)
        prctl(PR_SET_DUMPABLE, *[ctypes.c_ulong(0)] * 4)


def answer(control: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # the client is gone
        control.sendall(json.dumps(message).encode() + b"\n")


def main(users: list[int]) -> None:
    if not users:
        adopt_orphans()
        serve(socket.socket(fileno=0))
    if not all(end_user(uid, until=time.monotonic() + KILL_SECONDS) for uid in users):
        sys.exit(1)


if __name__ == "__main__":
    main([*map(int, sys.argv[1:])])
