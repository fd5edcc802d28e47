"""A task that changes a file which another one changed first gives its slot up and goes on behind.

The simulator holds for any run that no task yields twice to another, and that every run ends.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from concertmaster.commands import Command, RunPhase
from concertmaster.events import Event, PhaseFailed, PhaseFinished, RunResumed
from concertmaster.model import Built, Carried, Outcome, Plan, Sighting, TaskState
from concertmaster.report.progress_lines import progress_lines
from concertmaster.run.notices import NoticeKind
from concertmaster.run.state import RunState
from concertmaster.run.state_machine import begin_run, handle
from concertmaster.settings.choices import LEAN_PHASES, Phase, Radar
from tests.simulator import make_plan
from tests.unit.run.test_observations import OPENING, finish, see

PLANNED, CHANGING, CHANGED = Sighting
FULL = tuple(Phase)
PREPARED = (*finish("a", Phase.PREPARE), *finish("b", Phase.PREPARE))
IMPLEMENTED = finish("b", Phase.IMPLEMENT)
WRITTEN = (see("a", CHANGED, "x"), see("b", CHANGED, "x"))


def plan_of(tasks: str = "ab", *, radar: Radar = Radar.HOLD, full: bool = False) -> Plan:
    phases = FULL if full else LEAN_PHASES
    return make_plan(tasks, slots=4, attempts=2, radar=radar, phases=phases)


def play(plan: Plan, *events: Event) -> tuple[RunState, list[Command]]:
    """Return the state, and the commands of the last event."""
    state, commands = begin_run(plan), tuple[Command, ...]()
    for event in (*OPENING, *events):
        state, commands = handle(state, event)
    return state, [*commands]


def phases_of(commands: list[Command]) -> list[tuple[str, Phase]]:
    return [(one.task.id, one.phase) for one in commands if isinstance(one, RunPhase)]


def test_the_later_writer_waits_and_goes_on_with_its_work_behind_the_first() -> None:
    told: tuple[Event, ...] = (*PREPARED, *WRITTEN, *IMPLEMENTED)
    state, commands = play(plan_of(), *told)
    waiting = state.tasks["b"]

    assert phases_of(commands) == []
    assert (waiting.state, waiting.attempts[-1].outcome) == (TaskState.WAITING, Outcome.YIELDED)
    assert waiting.carried == Carried(base="b prepare", head="b implement")
    assert [(one.kind, one.tasks, one.paths) for one in state.notices][-1] == (
        *(NoticeKind.YIELDED, ("b", "a"), ("x",)),
    )
    assert [*progress_lines(play(plan_of(), *told[:-1])[0], state, told[-1])][-1] == (
        "b  goes on behind a, which changed x first"
    )

    rest = finish("a", Phase.IMPLEMENT, Phase.TEST, Phase.DELIVER)
    state, commands = play(plan_of(), *told, *rest)
    (begun,) = [one for one in commands if isinstance(one, RunPhase)]
    assert (begun.task.id, begun.attempt, begun.phase) == ("b", 2, Phase.PREPARE)
    assert begun.wanted == (Built(task="a", head="a deliver"),)
    assert begun.carried == waiting.carried


def test_its_work_is_fitted_to_the_base_before_it_is_tested() -> None:
    done = finish("a", Phase.IMPLEMENT, Phase.TEST, Phase.DELIVER)
    laid_out = PhaseFinished(
        task="b", attempt=2, phase=Phase.PREPARE, seconds=1.0, base="both", checkpoint="merged"
    )
    state, commands = play(plan_of(), *PREPARED, *WRITTEN, *IMPLEMENTED, *done, laid_out)
    (begun,) = [one for one in commands if isinstance(one, RunPhase)]

    assert (begun.phase, begun.base, begun.checkpoint) == (Phase.IMPLEMENT, "both", "merged")
    assert begun.repair is not None
    assert (begun.repair.base, begun.repair.head, begun.repair.tip) == (
        *("b prepare", "b implement", "both"),
    )
    assert state.tasks["b"].attempts[-1].repair is None, "it is no repair"


def test_work_that_was_carried_over_is_fitted_to_its_base_before_it_is_carried_on() -> None:
    done = finish("a", Phase.IMPLEMENT, Phase.TEST, Phase.DELIVER)
    first: tuple[Event, ...] = (*finish("c", Phase.PREPARE), *PREPARED, *WRITTEN, *IMPLEMENTED)
    met = (see("c", CHANGED, "z"), see("b", CHANGING, "x", "z", attempt=2))
    markers = replace(FAILED, task="b", attempt=2, evidence="markers are left")
    told: tuple[Event, ...] = (*first, *done, *finish("b", Phase.PREPARE, attempt=2), *met, markers)
    _, commands = play(plan_of("abc"), *told)
    assert phases_of(commands) == [("b", Phase.IMPLEMENT)]

    state, _ = play(plan_of("abc"), *told, *finish("b", Phase.IMPLEMENT, attempt=2))
    yielded = [one.tasks for one in state.notices if one.kind is NoticeKind.YIELDED]
    assert yielded == [("b", "a"), ("b", "c")]


def test_who_only_plans_to_change_a_file_begins_its_work_behind_the_one_that_has() -> None:
    research = finish("b", Phase.RESEARCH)
    seen = (see("a", CHANGED, "x"), see("b", PLANNED, "x"))
    told: tuple[Event, ...] = (*PREPARED, *finish("a", Phase.RESEARCH), *seen)
    planned = (replace(research[0], checkpoint="b prepare", findings="a plan"),)
    state, _ = play(plan_of(full=True), *told, *planned)
    record = state.tasks["b"]

    assert record.state is TaskState.WAITING
    assert record.carried == Carried(base="b prepare", head="", holds=(Phase.RESEARCH,))
    rest = [phase for phase in FULL if phase not in (Phase.PREPARE, Phase.RESEARCH)]
    state, commands = play(plan_of(full=True), *told, *planned, *finish("a", *rest))
    assert phases_of(commands) == [("b", Phase.PREPARE)]
    again = finish("b", Phase.PREPARE, attempt=2)
    _, commands = play(plan_of(full=True), *told, *planned, *finish("a", *rest), *again)
    (begun,) = [one for one in commands if isinstance(one, RunPhase)]
    assert (begun.phase, begun.findings, begun.repair) == (Phase.IMPLEMENT, "a plan", None)


FAILED = PhaseFailed(
    task="a", attempt=1, phase=Phase.IMPLEMENT, seconds=1.0, outcome=Outcome.FAILED, reason="no"
)
STAYS: dict[str, tuple[Plan, tuple[Event, ...]]] = {
    "it is only observed": (plan_of(radar=Radar.OBSERVE), WRITTEN),
    "the other changes another file": (
        plan_of(),
        (see("a", CHANGED, "y"), see("b", CHANGED, "x")),
    ),
    "it was there first": (plan_of(), (WRITTEN[1], WRITTEN[0])),
    "landing joins the file": (
        plan_of(),
        (see("a", CHANGED, "CHANGES.md"), see("b", CHANGED, "CHANGES.md")),
    ),
    "the other has failed": (plan_of(), (*WRITTEN, FAILED)),
    "the run was planned before": (replace(plan_of(radar=Radar.OBSERVE), version=3), WRITTEN),
}


@pytest.mark.parametrize("why", STAYS)
def test_a_task_goes_on_in_its_slot_where(why: str) -> None:
    plan, events = STAYS[why]
    state, commands = play(plan, *PREPARED, *events, *IMPLEMENTED)

    assert ("b", Phase.TEST) in phases_of(commands)
    assert not [one for one in state.notices if one.kind is NoticeKind.YIELDED]


def test_of_two_that_met_in_two_files_only_the_later_one_waits() -> None:
    met = (*WRITTEN, see("b", CHANGED, "x", "y"), see("a", CHANGED, "x", "y"))
    state, commands = play(plan_of(), *PREPARED, *met, *finish("a", Phase.IMPLEMENT))
    assert phases_of(commands) == [("a", Phase.TEST)]
    assert state.tasks["a"].is_busy

    state, _ = play(plan_of(), *PREPARED, *met, *finish("a", Phase.IMPLEMENT), *IMPLEMENTED)
    assert state.tasks["b"].state is TaskState.WAITING


def test_a_chain_of_three_closes_no_circle() -> None:
    third = finish("c", Phase.PREPARE)
    met = (*WRITTEN, see("b", CHANGED, "x", "y"), see("c", CHANGED, "y"))
    circle = (see("c", CHANGED, "y", "z"), see("a", CHANGED, "x", "z"))
    ends = (*finish("a", Phase.IMPLEMENT), *finish("c", Phase.IMPLEMENT), *IMPLEMENTED)
    state, _ = play(plan_of("abc"), *PREPARED, *third, *met, *circle, *ends)

    assert state.tasks["a"].is_busy
    assert state.tasks["a"].attempts[-1].writers == ()
    yielded = [one.tasks for one in state.notices if one.kind is NoticeKind.YIELDED]
    assert yielded == [("c", "b"), ("b", "a")]


def test_a_phase_that_was_interrupted_runs_again_before_its_task_yields() -> None:
    state, commands = play(plan_of(), *PREPARED, *WRITTEN, RunResumed())
    assert ("b", Phase.IMPLEMENT) in phases_of(commands)

    state, _ = play(plan_of(), *PREPARED, *WRITTEN, RunResumed(), *IMPLEMENTED)
    assert state.tasks["b"].state is TaskState.WAITING
