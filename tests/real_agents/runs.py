"""Runs real agents through `concertmaster run` and tells what each run came to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import Project
from tests.real_agents.programs import RealAgent, starts_in
from tests.real_agents.server import Endpoint, Fault, Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A run: its tasks, what goes wrong, and how many agents work at once."""

    tasks: Sequence[str]  # the text of each
    phases: str = "lean"
    fault: Fault | None = None
    slots: int = 2
    is_offline: bool = False  # nobody listens at the endpoint's address
    attempts: int = 2
    meeting: int = 1  # tasks whose first turns wait for each other
    by_acp: bool = False  # it is run as an agent of the Agent Client Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a run came to; `seconds` is its wall time, which no test may assert on."""

    report: Any
    starts: int
    turns: Sequence[Turn]
    met: int  # how many tasks were worked on at once
    seconds: float
    folder: Path
    words: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """The journal of the run."""
        (journal,) = self.folder.glob(".git/concertmaster/runs/*/journal.jsonl")
        return [json.loads(line) for line in journal.read_text().splitlines()]

    @property
    def limits(self) -> int:
        """How often a phase ended at a usage limit."""
        return sum(event.get("outcome") == "limited" for event in self.events)

    @property
    def late_starts(self) -> int:
        """How many agents were started after one of them was known to have no access."""
        begun, rejected = set[str](), set[str]()
        for event in self.events:
            if event.get("outcome") == "no_access":
                rejected.add(event["task"])
            elif event.get("phase") == "prepare" and not rejected:
                begun.add(event["task"])
        return len(rejected - begun)

    def shown(self) -> str:
        """Return the report as a console shows it."""
        done = subprocess.run(
            [sys.executable, "-m", "concertmaster", "status", self.report["run"]],
            cwd=self.folder,
            env=_own_environment(self.folder),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout + done.stderr

    @property
    def outcome(self) -> str:
        """The states of the tasks, the outcomes of the attempts, and the starts, in one cell."""
        tasks = self.report["tasks"]
        states = sorted({task["state"] for task in tasks})
        attempts = [a for task in tasks for a in task["attempts"]]
        ends = sorted({a["outcome"] or "open" for a in attempts})
        pauses = f", {self.limits} x limited" * bool(self.limits)
        return (
            f"{'/'.join(states)} ({'/'.join(ends)} {len(attempts)}{pauses}), {self.starts} starts"
        )


def play(agent: RealAgent, case: Case, folder: Path) -> Result:
    """Run the case in the folder."""
    project = Project(folder / "project")
    names = [f"prompts/t{number}.md" for number in range(len(case.tasks))]
    prompts = {
        name: f"---\ntouches: [t{number}.txt]\n---\n# Task {number}\n\n{text}\n"
        for number, (name, text) in enumerate(zip(names, case.tasks, strict=True))
    }
    settings = f"check: 'true'\nattempts: {case.attempts}\n"
    project.commit("Prompts", {**prompts, "concertmaster.yml": settings})
    home, bin_folder = folder / "home", folder / "bin"
    home.mkdir()
    with Endpoint(agent.api(), case.fault, meeting=case.meeting) as endpoint:
        url = "http://127.0.0.1:9" if case.is_offline else endpoint.url
        agent.settle(home, url)
        began = time.monotonic()
        done = subprocess.run(
            [
                *(sys.executable, "-m", "concertmaster", "run", *names, "--json"),
                *_choose(agent, by_acp=case.by_acp),
                *("--phases", case.phases, "--parallel", str(case.slots), "--timeout", "5m"),
            ],
            cwd=project.root,
            env={
                **_own_environment(home),
                "PATH": agent.search_path(bin_folder),
                **agent.environment(url),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - began
    assert done.stdout, done.stderr
    return Result(
        report=json.loads(done.stdout),
        starts=starts_in(bin_folder),
        turns=tuple(endpoint.turns),
        met=len(endpoint.met),
        seconds=seconds,
        folder=project.root,
        words=done.stdout + done.stderr,
    )


def _own_environment(home: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k.startswith(("PYTHON", "GIT_"))}
    return {**kept, "HOME": str(home), "PATH": os.defpath}


def _choose(agent: RealAgent, *, by_acp: bool) -> tuple[str, ...]:
    """Return the options that choose the agent and its model."""
    command = ("--agent-command", f"{agent.name} {agent.acp}") if by_acp else ()
    return ("--agent", "acp" if by_acp else agent.name, *command, "--agent-model", agent.model)
