"""Tests real runs on a machine whose free memory and disk are set by the test."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection
from itertools import count
from pathlib import Path

import pytest

from concertmaster.engine import local_run as runs
from concertmaster.engine.integrator import QUEUE
from concertmaster.engine.journal import Journal
from concertmaster.engine.recorded_run import read_run
from concertmaster.engine.run_home import RunHome
from concertmaster.events import Throttled
from concertmaster.model import Shortage
from concertmaster.planning.build_plan import make_plan
from concertmaster.planning.checkout import PlanRequest
from concertmaster.report.model import Report
from concertmaster.report.run_end import exit_code
from concertmaster.sandbox.resource_limits import FreeResources
from concertmaster.sandbox.supervisor import Guard
from concertmaster.settings.process import read_environment
from concertmaster.terminal.console import Console
from concertmaster.worktrees.owner import list_attempts
from tests.commandline import OBEDIENT_COMMAND, write_prompt
from tests.conftest import Project

GIB = 1 << 30
LOOK_SECONDS = 0.01
MANY_LOOKS = 20
NAMES = ("apple", "pear", "plum")

Measure = Callable[[], FreeResources]


def free(*, memory: float = 9.0, disk: float = 9.0) -> FreeResources:
    """Return free resources from sizes in GiB."""
    return FreeResources(
        memory_bytes=int(memory * GIB), disk_bytes=int(disk * GIB), folder="/cache"
    )


class Machine:
    """A user's machine: starts and resumes runs and keeps their output."""

    def __init__(self, project: Project, folder: Path) -> None:
        self.project = project
        self.cache = folder / "cache"
        self.outside = folder / "outside"
        self.outside.mkdir()
        self.told = io.StringIO()
        self.console = Console(io.StringIO(), self.told, terminal=False, json=False)

    def wait_for(self, name: str) -> str:
        """Return a shell line that waits until the file exists."""
        return f"until test -e {self.outside / name}; do sleep 0.02; done"

    def make(self, name: str) -> None:
        (self.outside / name).touch()

    @property
    def starts(self) -> int:
        """Return the number of agents that have begun."""
        return len([*self.outside.glob("start-*")])

    def begin(
        self,
        script: str,
        measure: Measure,
        *,
        slots: int,
        check: str = "true",
        landing: str = "merge",
    ) -> Path:
        """Run the tasks NAMES and return the run's folder; `{name}` in `script` is the task's."""
        prompts = [
            write_prompt(
                self.project,
                name,
                script.format(name=name, outside=self.outside),
                head=f"touches: [{name}.txt]",
            )
            for name in NAMES
        ]
        self.project.git("add", "--all")
        self.project.git("commit", "--quiet", "--message", "Prompts")
        options = {
            "agent_command": OBEDIENT_COMMAND,
            "check": check,
            "parallel": slots,
            "landing": landing,
        }
        paths = tuple(self.project.root / prompt for prompt in prompts)
        asked = PlanRequest(repository=self.project.root, prompts=paths, options=options)
        planned = make_plan(asked)
        with Guard() as guard, self.console.progress() as progress:
            home = self.home(measure)
            return runs.start_run(planned, home, progress=progress, guard=guard).folder

    def resume(self, folder: Path, measure: Measure) -> None:
        with Guard() as guard, self.console.progress() as progress:
            home, repository = self.home(measure), self.project.open()
            run = runs.LocalRun(repository=repository, folder=folder)
            runs.resume_run(run, home, progress=progress, guard=guard)

    def home(self, measure: Measure) -> RunHome:
        def measure_folders(folders: Collection[Path]) -> FreeResources:
            assert self.cache in folders
            return measure()

        return RunHome(
            cache=self.cache,
            environment=read_environment(),
            measure=measure_folders,
            measure_seconds=LOOK_SECONDS,
        )


@pytest.fixture
def machine(project: Project, tmp_path: Path) -> Machine:
    return Machine(project, tmp_path)


def states(report: Report) -> list[str]:
    return [task.state for task in report.tasks]


def shortages(folder: Path) -> list[Shortage | None]:
    """Return all shortages of the run's journal, in order."""
    events = Journal(folder / "journal.jsonl").read()
    return [event.short for event in events if isinstance(event, Throttled)]


def test_with_little_memory_one_agent_runs_until_there_is_enough_and_the_run_says_why(
    machine: Machine,
) -> None:
    looks, looks_at_one = count(1), count(1)
    seen: list[int] = []
    # All agents wait for each other, so one by one they would never end.
    script = (
        "touch {outside}/start-{name}\n"
        "until test $(ls {outside} | grep -c start-) = 3; do sleep 0.02; done\n"
        "echo {name} > {name}.txt"
    )

    def measure() -> FreeResources:
        if next(looks) == 2:
            machine.make("measured")  # the first measurement has been posted
        if not (machine.outside / "enough").exists():
            seen.append(machine.starts)
            if machine.starts and next(looks_at_one) == MANY_LOOKS:
                machine.make("enough")
            return free(memory=0.16)
        return free()

    folder = machine.begin(script, measure, slots=3, check=machine.wait_for("measured"))

    report = read_run(folder).report
    assert states(report) == ["landed"] * 3
    assert max(seen) == 1
    assert shortages(folder) == [Shortage.MEMORY, None]
    told = machine.told.getvalue()
    assert "no room: 0.1 GiB of memory is free, new agents wait until it is 1.0 GiB" in told
    assert "there is room again" in told


def test_on_a_full_disk_what_runs_lands_then_the_run_stops_and_is_resumed_later(
    machine: Machine,
) -> None:
    looks_at_full = count(1)
    script = f"touch {{outside}}/start-{{name}}; {machine.wait_for('told')}; echo > {{name}}.txt"

    def measure() -> FreeResources:
        if not machine.starts:
            return free()
        if next(looks_at_full) == 2:
            machine.make("told")
        return free(disk=0.27)

    folder = machine.begin(script, measure, slots=1)

    report = read_run(folder).report
    assert exit_code(report.ended) == 4
    assert sorted(states(report)) == ["landed", "waiting", "waiting"]
    words = "0.2 GiB of the disk of /cache is free, new agents wait until it is 1.5 GiB"
    assert report.reason == words
    assert [step.text for step in report.next_steps] == ["make room on the disk, then go on"]
    assert f"no further agent starts: {words}" in machine.told.getvalue()

    machine.resume(folder, lambda: free(disk=0.27))

    assert exit_code(read_run(folder).report.ended) == 4
    assert machine.starts == 1

    machine.resume(folder, free)

    report = read_run(folder).report
    assert (exit_code(report.ended), states(report)) == (0, ["landed"] * 3)
    assert [len(task.attempts) for task in report.tasks] == [1] * 3


@pytest.mark.parametrize(("landing", "end"), [("merge", "landed"), ("none", "succeeded")])
def test_room_that_the_run_itself_makes_is_waited_for(
    machine: Machine, landing: str, end: str
) -> None:
    """The worktree of an attempt fills the disk and is removed when the attempt is over."""
    looks_at_full = count(1)

    def measure() -> FreeResources:
        if all(owner.task == QUEUE for owner in list_attempts(machine.cache).values()):
            return free()
        if machine.starts and next(looks_at_full) == 2:
            machine.make("told")
        return free(disk=0.1)

    script = f"touch {{outside}}/start-{{name}}; {machine.wait_for('told')}; echo > {{name}}.txt"
    folder = machine.begin(script, measure, slots=1, landing=landing)

    assert states(read_run(folder).report) == [end] * 3
    assert Shortage.DISK in shortages(folder)


def test_a_machine_that_cannot_be_measured_is_no_obstacle(machine: Machine) -> None:
    def measure() -> FreeResources:
        raise OSError("the disk has gone")

    folder = machine.begin("echo {name} > {name}.txt", measure, slots=3)

    assert states(read_run(folder).report) == ["landed"] * 3
    assert shortages(folder) == []


@pytest.mark.matrix
def test_a_run_that_stopped_on_a_full_disk_goes_on_where_nothing_can_be_measured(
    machine: Machine,
) -> None:
    def measure() -> FreeResources:
        raise OSError("the disk has gone")

    folder = machine.begin("echo {name} > {name}.txt", lambda: free(disk=0.1), slots=3)
    assert exit_code(read_run(folder).report.ended) == 4
    machine.resume(folder, measure)

    assert states(read_run(folder).report) == ["landed"] * 3
