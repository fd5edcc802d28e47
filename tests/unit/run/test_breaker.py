"""Tests what a run does when the agents themselves fail, one after the other."""

from __future__ import annotations

import pytest

from concertmaster.commands import Command, RunPhase
from concertmaster.events import (
    BaseChecked,
    Event,
    PhaseFailed,
    PhaseFinished,
    RunResumed,
    RunStarted,
)
from concertmaster.model import Outcome
from concertmaster.run.state import RunState
from concertmaster.run.state_machine import begin_run, handle
from concertmaster.settings.choices import Phase
from tests.simulator import make_plan

GREEN = BaseChecked(tree="t", passed=True, reason="", seconds=1.0, tip="base")
TASKS = "abcdefghijkl"


class Run:
    """A run of twelve tasks whose agents do as they are told."""

    def __init__(self, *, slots: int) -> None:
        self.state: RunState = begin_run(make_plan(TASKS, slots=slots, attempts=1))
        self.asked: list[RunPhase] = []
        for event in (RunStarted(run="run"), GREEN):
            self.take(event)

    def take(self, event: Event) -> tuple[Command, ...]:
        self.state, commands = handle(self.state, event)
        self.asked += [one for one in commands if isinstance(one, RunPhase)]
        return commands

    def end_next(self, *, agent_failed: bool) -> None:
        """Let the oldest attempt get its worktree, and its agent fail."""
        command = self.asked.pop(0)
        self.finish(command)
        command = self.asked.pop()
        self.take(
            PhaseFailed(
                task=command.task.id,
                attempt=command.attempt,
                phase=command.phase,
                seconds=1.0,
                outcome=Outcome.FAILED,
                reason=f"no answer for {command.task.id}",
                agent_failed=agent_failed,
            )
        )

    def finish(self, command: RunPhase) -> None:
        self.take(
            PhaseFinished(
                task=command.task.id,
                attempt=command.attempt,
                phase=command.phase,
                seconds=1.0,
                checkpoint=f"{command.task.id}1",
                folder=f"/{command.task.id}",
            )
        )


@pytest.mark.parametrize(("failures", "running"), [(0, 4), (4, 4), (5, 3), (6, 2), (7, 1)], ids=str)
def test_after_five_agents_failed_only_one_goes_on(failures: int, running: int) -> None:
    run = Run(slots=4)
    for _ in range(failures):
        run.end_next(agent_failed=True)
    assert len(run.asked) == running
    assert not run.state.stopped


def test_after_eight_agents_failed_the_run_stops() -> None:
    run = Run(slots=1)
    for _ in range(7):
        run.end_next(agent_failed=True)
    assert (run.state.stopped, len(run.asked)) == ("", 1)
    run.end_next(agent_failed=True)
    assert run.state.stopped == "8 agents in a row have failed, one of them: no answer for a"
    assert run.asked == []


def test_failures_of_the_work_are_not_those_of_agents() -> None:
    run = Run(slots=4)
    for _ in range(8):
        run.end_next(agent_failed=False)
    assert (run.state.stopped, len(run.asked)) == ("", 4)


def test_an_agent_that_ends_its_phase_and_a_resumed_run_begin_the_row_anew() -> None:
    run = Run(slots=1)
    for _ in range(7):
        run.end_next(agent_failed=True)
    run.finish(run.asked.pop())
    run.finish(run.asked[-1])
    assert run.asked[-1].phase is not Phase.IMPLEMENT
    assert run.state.failures == 0
    run = Run(slots=1)
    for _ in range(8):
        run.end_next(agent_failed=True)
    run.take(RunResumed())
    assert (run.state.failures, run.state.stopped) == (0, "")
