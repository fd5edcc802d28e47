"""Tests what a run tells its view, and what a resumed run ends first."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from concertmaster.engine import local_run as runs
from concertmaster.engine.journal import Journal
from concertmaster.engine.run_home import RunHome
from concertmaster.events import Event, PhaseFinished, RunFinished
from concertmaster.planning.build_plan import make_plan
from concertmaster.planning.checkout import PlanRequest
from concertmaster.run.state import RunState
from concertmaster.sandbox.host import MARK
from concertmaster.sandbox.supervisor import Guard
from concertmaster.settings.process import read_environment
from tests.commandline import OBEDIENT_COMMAND, write_prompt
from tests.conftest import Project


class View:
    """A view that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[RunState, Event]] = []
        self.activities: list[tuple[str, str]] = []

    def update(self, state: RunState, event: Event) -> None:
        self.told.append((state, event))

    def activity(self, task: str, text: str) -> None:
        self.activities.append((task, text))

    def notice(self, text: str) -> None:
        raise AssertionError(text)


@pytest.fixture
def home(tmp_path: Path) -> RunHome:
    return RunHome(cache=tmp_path / "cache", environment=read_environment())


def start(project: Project, home: RunHome, view: View) -> Path:
    """Run one task and return the run's folder."""
    prompt = write_prompt(project, "apple", "echo reads the apple; echo 1 > apple.txt")
    project.commit("Prompts", {})
    options = {"agent_command": OBEDIENT_COMMAND, "check": "true"}
    asked = PlanRequest(repository=project.root, prompts=(project.root / prompt,), options=options)
    with Guard() as guard:
        return runs.start_run(make_plan(asked), home, progress=view, guard=guard).folder


def test_a_view_hears_of_every_event_with_its_state_and_of_what_agents_do(
    project: Project, home: RunHome
) -> None:
    view = View()
    folder = start(project, home, view)
    assert tuple(event for _, event in view.told) == Journal(folder / "journal.jsonl").read()
    assert isinstance(view.told[-1][1], RunFinished)
    assert view.told[-1][0].finished
    first = next(state for state, event in view.told if isinstance(event, PhaseFinished))
    [(task, record)] = first.tasks.items()
    assert record.attempt is not None
    assert (task, "reads the apple") in view.activities


@pytest.fixture
def left_behind() -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def test_a_resumed_run_first_ends_its_own_processes_and_no_others(
    project: Project, home: RunHome, left_behind: list[subprocess.Popen[bytes]]
) -> None:
    folder = start(project, home, View())
    for name in (folder.name, f"{folder.name}0", "another"):
        environment = os.environ | {MARK: f"{name}/apple/1"}
        left_behind.append(subprocess.Popen(["sleep", "1000"], env=environment))
    with Guard() as guard:
        run = runs.LocalRun(repository=project.open(), folder=folder)
        runs.resume_run(run, home, progress=View(), guard=guard)
    assert [process.poll() for process in left_behind] == [-9, None, None]
