"""Simulates a user's machine in a folder, with the run of 8 tasks that the crash tests kill."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from concertmaster.engine.journal import Journal
from concertmaster.events import Event, PhaseFailed, PhaseFinished
from concertmaster.files.run_folder import read_plan
from concertmaster.run.state import RunState
from concertmaster.run.state_machine import fold_events
from concertmaster.settings.choices import Phase
from tests.conftest import Project

HERE = Path(__file__).parent
PR_SET_CHILD_SUBREAPER = 36

# Front matter and heading of each prompt; agent.py chooses its work by the heading.
PROMPTS = {
    "slow": "touches: [half.txt, whole.txt]\npriority: 9\n---\n# Slow",
    "alpha": "touches: [alpha.txt]\n---\n# Alpha",
    "beta": "touches: [beta.txt]\nneeds: [alpha.md]\n---\n# Beta",
    "top": "touches: [shared.txt]\n---\n# Top",
    "bottom": "touches: [shared.txt]\n---\n# Bottom",
    "stubborn": "touches: [stubborn.txt]\n---\n# Stubborn",
    "nothing": "touches: [nothing.txt]\n---\n# Nothing",
    "daemon": "touches: [delta.txt]\npriority: -9\n---\n# Daemon",
}
# The first changes another file than it promises: one was held for nothing, one would collide.
MISTAKEN = {
    "wide": "touches: [x.txt]\npriority: 9\n---\n# Wide",
    "filler": "touches: [z.txt]\npriority: 8\n---\n# Filler",
    "late": "touches: [y.txt]\npriority: 7\n---\n# Late",
    "held": "touches: [x.txt]\n---\n# Held",
}
# Both change the same line, which their prompts do not tell.
COLLIDING = {
    "first": "touches: [first.txt]\npriority: 9\n---\n# First",
    "second": "touches: [second.txt]\n---\n# Second",
}
# The check of "wide" lasts until "held" has begun, that of "first" until "second" changes its line.
CHECK = """\
echo "$CONCERTMASTER_MARK" >> "$1/checks"
case "$CONCERTMASTER_MARK" in */wide-*)
  tries=0
  until test -e "$1/held" || test $tries = 3000; do sleep 0.02; tries=$((tries + 1)); done
  test -e "$1/held" || exit 1;;
*/first-*)
  tries=0
  until test -e "$1/second" || test $tries = 3000; do sleep 0.02; tries=$((tries + 1)); done;;
esac
test "$(wc -l < shared.txt)" = 9 && { test ! -e beta.txt || test -e alpha.txt; }
"""

Asked = tuple[str, int, Phase]


def make_template(folder: Path) -> None:
    """Make a repository with stashed, staged, changed and untracked files."""
    project = Project(folder)
    prompts = PROMPTS | MISTAKEN | COLLIDING
    files = {f"prompts/{name}.md": f"---\n{text}\n" for name, text in prompts.items()}
    files |= {f"{name}.txt": f"{name}\n" for name in "xyz"}
    lines = "".join(f"line {number}\n" for number in range(9))
    project.commit("Work", {**files, "check.sh": CHECK, "shared.txt": lines})
    project.write({"folder/c.txt": "stashed\n"})
    project.git("stash", "--quiet")
    project.write({"staged.txt": "staged\n", "a.txt": "changed\n", "untracked.txt": "mine\n"})
    project.git("add", "staged.txt")


@dataclass(frozen=True, kw_only=True)
class Run:
    """The folder and the events of one run."""

    folder: Path
    events: tuple[Event, ...]

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def state(self) -> RunState:
        return fold_events(read_plan(self.folder), self.events)

    @property
    def answered(self) -> list[Asked]:
        """The phases that have ended, with repetitions."""
        phases = [e for e in self.events if isinstance(e, PhaseFinished | PhaseFailed)]
        return [(e.task, e.attempt, e.phase) for e in phases]

    def asked(self, marks: Sequence[str], phase: Phase) -> list[Asked]:
        """Return the attempts of this run that left these marks, each with `phase`."""
        parts = [mark.split("/") for mark in marks]
        return [(task, int(attempt), phase) for run, task, attempt in parts if run == self.name]


@dataclass(frozen=True, kw_only=True)
class World:
    """The files of one user; agents and checks write their notes to `outside`."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, *, template: Path) -> World:
        for name in ("home", "outside"):
            (folder / name).mkdir(parents=True)
        shutil.copytree(template, folder / "project", symlinks=True)
        return cls(folder=folder)

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def attempts(self) -> list[Path]:
        """The folders of attempts, in any state of their making or removal."""
        place = self.folder / "project.attempts"
        entries = place.iterdir() if place.exists() else ()
        return [entry for entry in entries if entry.name != "CACHEDIR.TAG"]

    def git(self, *args: str) -> str:
        command = ["git", *args]
        done = subprocess.run(command, cwd=self.project, check=True, capture_output=True, text=True)
        return done.stdout.removesuffix("\n")

    @property
    def tree(self) -> str:
        return self.git("rev-parse", "main^{tree}")

    @property
    def outside(self) -> Path:
        return self.folder / "outside"

    def output(self) -> str:
        """Return the output of all commands so far."""
        return (self.folder / "output").read_text()

    def notes(self, name: str) -> list[str]:
        path = self.outside / name
        return path.read_text().splitlines() if path.exists() else []

    def run_arguments(self, *names: str, slots: int = 3) -> list[str]:
        agent = f"{sys.executable} -I -S {HERE / 'agent.py'} {self.outside}"
        check = f"sh check.sh {self.outside}"
        options = ("--parallel", str(slots), "--agent-command", agent, "--check", check)
        return ["run", *(f"prompts/{name}.md" for name in names or PROMPTS), *options]

    def start(
        self, program: Sequence[str], arguments: Sequence[str], *, path: str = ""
    ) -> subprocess.Popen[bytes]:
        """Start a process in its own process group, with `path` first on the search path."""
        env = os.environ | {
            "HOME": str(self.folder / "home"),
            "PATH": os.pathsep.join(filter(None, [path, os.environ["PATH"]])),
            "CONCERTMASTER_WORKTREES": str(self.folder),
        }
        with (self.folder / "output").open("ab") as output:
            return subprocess.Popen(
                [sys.executable, *program, *arguments],
                cwd=self.project,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def do(self, *arguments: str) -> int:
        """Run the command; return its exit code."""
        return self.start(["-m", "concertmaster"], arguments).wait()

    def do_until_killed(
        self, arguments: Sequence[str], *, after: int, torn: bool = False, counts_all: bool = False
    ) -> int:
        """Run the command and kill it after so many events; return its exit code.

        With `counts_all` observed footprints count as well.
        """
        how = "every" if counts_all else "torn" if torn else "whole"
        program = [str(HERE / "driver.py"), str(after), how]
        return self.start(program, arguments).wait()

    def runs(self) -> list[Run]:
        """Return all runs, oldest first."""
        folders = sorted((self.project / ".git/concertmaster/runs").iterdir())
        return [Run(folder=f, events=Journal(f / "journal.jsonl").read()) for f in folders]

    def last_run(self) -> Run:
        return self.runs()[-1]

    def users_own(self) -> dict[str, str]:
        """Return the state of the repository that no run may change."""
        branches = self.git("branch", "--format=%(refname:short)").split("\n")
        return {
            "head": self.git("symbolic-ref", "HEAD"),
            "branches": " ".join(b for b in branches if not b.startswith("concertmaster/")),
            "status": self.git("status", "--porcelain", "--untracked-files=all"),
            "staged": self.git("diff", "--cached"),
            "unstaged": self.git("diff"),
            "stash": self.git("stash", "list", "--format=%H"),
        }

    def saved_half_done(self, run: Run) -> set[Asked]:
        """Return the phases whose half-done work is in a commit that the journal names."""
        git_dir = f"--git-dir={run.folder / 'repository.git'}"
        return {
            (event.task, event.attempt, event.phase)
            for event in run.events
            if isinstance(event, PhaseFinished)
            for commit in re.findall(r"saved as ([0-9a-f]{40})", " ".join(event.notes))
            if "half.txt" in self.git(git_dir, "ls-tree", "--name-only", commit)
        }


@contextmanager
def adopt_orphans() -> Iterator[None]:
    """Make this process the subreaper while the block runs, then kill what is left."""
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else lambda *_: 0
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        for process in living():
            process.kill()
        prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def living() -> list[psutil.Process]:
    """Return all living processes below this one; reap ended children."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
            elif process.ppid() == os.getpid():
                os.waitpid(process.pid, os.WNOHANG)
    return found
