"""Runs git commands; the only module that imports GitPython."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from git.cmd import Git as Runner
from git.exc import GitCommandNotFound

from concertmaster.errors import EnvironmentFault, GitFault
from concertmaster.text.object_ids import is_object_id

OUR_NAME = "Concertmaster"
OUR_EMAIL = "concertmaster@users.noreply.github.com"
OLDEST_GIT = (2, 39)
ABSENT = "000000"
SYMLINK = "120000"
OWNER = "CONCERTMASTER_OWNER"  # environment variable of each git process: the pid of our process
_PIPE = -1  # subprocess.PIPE; only sandbox.supervisor may import subprocess
STDERR_TAIL = 2000
LONGEST_SECONDS = 900.0  # of a command on the files of a worktree
_ALWAYS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "log.showSignature=false",  # it would start the program that the configuration names
)
# The machine's attributes and excludes must not change the result of a snapshot or a merge.
_PRIVATE = (
    "core.untrackedCache=false",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "i18n.commitEncoding=UTF-8",
)
_ENVIRONMENT = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
_PRIVATE_ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_DEFAULT_REF_FORMAT": "files",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GitAnswer:
    """The result of a git command: exit code, stdout as bytes, stderr as text."""

    code: int
    out: bytes
    err: str


class Git:
    """A way to run git with a fixed folder, configuration and environment.

    `private` is for repositories of ours: git then ignores the configuration of the machine and of
    the user.
    """

    def __init__(
        self,
        directory: Path,
        *,
        git_dir: Path | None = None,
        work_tree: Path | None = None,
        index: Path | None = None,
        private: bool,
    ) -> None:
        places = {"GIT_DIR": git_dir, "GIT_WORK_TREE": work_tree, "GIT_INDEX_FILE": index}
        settings = _ALWAYS + (_PRIVATE if private else ())
        self._command = ["git", "-C", str(directory)]
        self._command += [word for setting in settings for word in ("-c", setting)]
        self._environment = _ENVIRONMENT | (_PRIVATE_ENVIRONMENT if private else {})
        self._environment |= {name: str(path) for name, path in places.items() if path}
        self._environment |= {OWNER: str(os.getpid())}
        # An agent may have put anything into the files that git opens there.
        self._limit_seconds = LONGEST_SECONDS if work_tree else None

    def run(
        self, *args: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None
    ) -> str:
        """Return the standard output without its last newline.

        Raises GitFault when git exits non-zero, EnvironmentFault when git is not installed.
        """
        answer = self.ask(*args, stdin=stdin, env=env)
        if answer.code != 0:
            raise git_fault(args[0], answer)
        return decode(answer.out).removesuffix("\n")

    def ask(
        self,
        *args: str,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        limit_seconds: float | None = None,
    ) -> GitAnswer:
        """Return the result, whatever the exit code.

        Raises EnvironmentFault when git is not installed, GitTimeout when it takes too long.
        """
        try:
            # A session of its own: Ctrl-C must not kill git while it writes the user's files.
            process = Runner().execute(
                [*self._command, *args],
                as_process=True,
                istream=_PIPE,  # type: ignore[call-overload, unused-ignore]
                env={**self._environment, **(env or {})},
                start_new_session=True,
            )
        except GitCommandNotFound as error:
            raise EnvironmentFault(
                "git was not found",
                why="no program `git` is on PATH",
                next_step="install git 2.39 or later",
            ) from error
        seconds = limit_seconds or self._limit_seconds
        with _time_limit(process.pid, seconds) as is_over:
            out, err = process.communicate(stdin or b"")
        if is_over.is_set():
            raise GitTimeout(f"git {args[0]} did not end", why=f"it ran for {seconds:g} seconds")
        return GitAnswer(code=process.returncode, out=out, err=decode(err))


class GitTimeout(GitFault):
    """A git command that was ended because it took too long."""


@contextmanager
def _time_limit(pid: int, seconds: float | None) -> Iterator[threading.Event]:
    """Kill the process and its session after the time; yield whether that has happened."""
    is_over = threading.Event()

    def end() -> None:
        is_over.set()
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)

    timer = threading.Timer(seconds or 0.0, end)
    timer.daemon = True
    if seconds is not None:
        timer.start()
    try:
        yield is_over
    finally:
        timer.cancel()


def git_fault(command: str, answer: GitAnswer) -> GitFault:
    """Return the error for an unexpected exit code of git."""
    why = f"exit code {answer.code}: {answer.err.strip()[-STDERR_TAIL:]}"
    return GitFault(f"git {command} failed", why=why)


def decode(data: bytes) -> str:
    """Return git's output as text; bytes that are not UTF-8 survive a round trip.

    File names and messages are bytes to git, in any encoding.
    """
    return data.decode("utf-8", "surrogateescape")


def quoted(value: str) -> str:
    """Return the value quoted as git reads it in config files and in lists of paths."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def split_records(data: bytes | str) -> list[str]:
    """Return the non-empty entries of a `-z` output."""
    whole = decode(data) if isinstance(data, bytes) else data
    return [entry for entry in whole.split("\0") if entry]


def parse_object_id(value: str) -> str:
    """Return the value itself. Raises GitFault when it is not a full object id."""
    if not is_object_id(value):
        raise GitFault(f"not an object id: {value[:80]!r}")
    return value


@cache
def check_version() -> None:
    """Check that git has `merge-tree --write-tree`. Raises EnvironmentFault if it is too old."""
    words = f"git {git_version()}"
    found = re.search(r"(\d{1,9})\.(\d{1,9})", words)
    if found is None or (int(found[1]), int(found[2])) < OLDEST_GIT:
        raise EnvironmentFault(
            f"{words} is too old",
            why="Concertmaster merges in memory, which git can do since 2.39",
            next_step="install git 2.39 or later",
        )


@cache
def git_version() -> str:
    """Return git's version in its own words; another version may merge differently."""
    return Git(Path("/"), private=True).run("version").removeprefix("git version ")
