"""Runs the command line in a scratch repository with scripted agents, and measures it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

PROGRAM = Path(sys.executable).with_name("concertmaster")

# The prompt tells the agent what to do: a line `work SECONDS FILE...`.
AGENT = """\
: > "${0%/*}/../began/$$"
while read -r word seconds files; do
    [ "$word" = work ] || continue
    [ "$seconds" = 0 ] || sleep "$seconds"
    for file in $files; do echo "$$" >> "$file"; done
done
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A task whose agent sleeps, then adds a line to its own file and to each it touches."""

    name: str
    seconds: float = 0.0
    needs: tuple[str, ...] = ()
    touches: tuple[str, ...] = ()

    def prompt(self) -> str:
        """Return the prompt file's text."""
        head = {
            "estimate": f"{self.seconds or 0.1:g}s",
            "needs": [f"{need}.md" for need in self.needs],
            "touches": list(self.touches),
        }
        lines = (f"{key}: {json.dumps(value)}" for key, value in head.items())
        work = f"work {self.seconds:g} {' '.join((self.name, *self.touches))}"
        return "\n".join(("---", *lines, "---", f"# Do {self.name}", "", work, ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The measurements of a run; seconds count from the start of the process."""

    seconds: float
    first_agent_seconds: float
    processor_seconds: float
    memory_bytes: int  # peak of the largest process
    load: float
    landed: int


class Trial:
    """A repository with its prompts and all other files, below one folder."""

    def __init__(self, folder: Path, work: Sequence[Work]) -> None:
        self.folder = folder
        self.repository = folder / "project"
        self._prompts = [folder / "prompts" / f"{one.name}.md" for one in work]
        for part in ("project", "prompts", "began", "home", "bin"):
            (folder / part).mkdir(parents=True)
        for path, one in zip(self._prompts, work, strict=True):
            path.write_text(one.prompt())
        (folder / "bin" / "agent.sh").write_text(AGENT)
        for number in range(20):
            (self.repository / f"module{number}.py").write_text(f"value = {number}\n")
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("config", "user.name", "Someone")
        self.git("config", "user.email", "someone@example.org")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=Start")

    @property
    def agent(self) -> str:
        """Return the agent's command."""
        return f"exec sh {self.folder}/bin/agent.sh"

    @cached_property
    def environment(self) -> Mapping[str, str]:
        """Return an environment with nothing of the user's but the search path."""
        home = str(self.folder / "home")
        return {"PATH": os.environ["PATH"], "HOME": home, "XDG_CACHE_HOME": f"{home}/cache"}

    def git(self, *args: str) -> str:
        """Return the output of a git command in the repository."""
        done = subprocess.run(
            ["git", "-C", str(self.repository), *args],
            env=self.environment,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    def plan(self, slots: int) -> dict[str, Any]:
        """Return the plan of the prompts; this also warms the caches of the disk."""
        command = self._command("plan", slots)
        done = subprocess.run(command, env=self.environment, check=True, capture_output=True)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def run(self, slots: int) -> Result:
        """Run all tasks and return the measurements; exits if not all of them land."""
        return self.measure(self._command("run", slots))

    def _command(self, verb: str, slots: int) -> list[str]:
        options = [f"--repo={self.repository}", f"--parallel={slots}", "--check=true", "--json"]
        options += ["--agent=command", f"--agent-command={self.agent}"]
        return [str(PROGRAM), verb, *map(str, self._prompts), *options]

    def measure(self, command: Sequence[str]) -> Result:
        """Run a command that runs the agents and lands their work; return the measurements."""
        before = os.times()
        load = os.getloadavg()[0]
        wall, began = time.time(), time.monotonic()
        output = self.folder / "output"
        with output.open("wb") as file:
            process = subprocess.Popen(command, env=self.environment, stdout=file, stderr=file)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - began
        after = os.times()
        if process.returncode != 0:
            sys.exit(f"{command[:2]} failed\n{output.read_text()}")
        first = min(mark.stat().st_mtime for mark in (self.folder / "began").iterdir())
        return Result(
            seconds=seconds,
            first_agent_seconds=first - wall,
            processor_seconds=sum(after[2:4]) - sum(before[2:4]),
            memory_bytes=1024 * usage.ru_maxrss,
            load=load,
            landed=len(self.git("ls-files").split()) - 20,
        )
