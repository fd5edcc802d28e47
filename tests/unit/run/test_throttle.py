"""Tests runs on a machine that is short of memory or disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.commands import Command, MeasureRoom, RemoveWorktree, RunPhase
from concertmaster.engine.journal import dump_event, load_event
from concertmaster.events import BaseChecked, Event, RunResumed, RunStarted, Throttled
from concertmaster.model import Plan, Shortage
from concertmaster.report.build import build_report
from concertmaster.report.progress_lines import progress_lines
from concertmaster.report.run_end import RunEnd, exit_code
from concertmaster.run.state import RunState
from concertmaster.run.state_machine import begin_run, handle
from concertmaster.settings.choices import LandingMode, Phase
from tests import journals
from tests.simulator import Disturbance, Simulator, make_plan
from tests.unit.run.test_state_machine import orders, plans, steps

DISK, MEMORY = Shortage.DISK, Shortage.MEMORY
GREEN = BaseChecked(tree="t", passed=True, reason="", seconds=1.0, tip="base")


def short(of: Shortage | None, *, is_answer: bool = False) -> Throttled:
    return Throttled(short=of, reason=f"no {of}" if of else "", is_answer=is_answer)


def play(plan: Plan, *events: Event) -> tuple[RunState, tuple[Command, ...]]:
    """Return the final state and the commands of the last event."""
    state, commands = begin_run(plan), tuple[Command, ...]()
    for event in (RunStarted(run="run"), *events):
        state, commands = handle(state, event)
    return state, commands


def started(commands: Iterable[Command]) -> str:
    """Return the names of the tasks that begin."""
    phases = (c for c in commands if isinstance(c, RunPhase) and c.phase is Phase.PREPARE)
    return "".join(command.task.id for command in phases)


def test_without_a_shortage_all_slots_are_filled() -> None:
    assert started(play(make_plan("abc"), GREEN)[1]) == "abc"


def test_with_little_memory_one_task_starts_where_nothing_runs() -> None:
    _, commands = play(make_plan("abc"), short(MEMORY), GREEN)

    assert started(commands) == "a"


def test_with_little_memory_nothing_starts_beside_what_runs() -> None:
    plan = make_plan("abc", slots=1)
    prepared, *worked = journals.succeed("a", at=0)
    _, first = play(plan, GREEN, short(MEMORY), prepared)
    _, last = play(plan, GREEN, short(MEMORY), prepared, *worked)

    assert started(first) == ""
    assert [c.phase for c in first if isinstance(c, RunPhase)] == [Phase.IMPLEMENT]
    assert started(last) == ""  # the train is at work, and its check takes memory as well


def test_what_waited_starts_as_soon_as_there_is_room() -> None:
    for of in Shortage:
        _, commands = play(make_plan("abc"), GREEN, short(of), short(None))
        assert started(commands) == ""  # all had started before
        _, commands = play(make_plan("abc"), short(of), GREEN, short(None))
        assert started(commands) == ("abc" if of is DISK else "bc")


def test_on_a_full_disk_nothing_starts_and_it_is_measured_again_when_nothing_runs() -> None:
    state, commands = play(make_plan("ab"), short(DISK), GREEN)

    assert commands == (MeasureRoom(),)
    assert not state.stopped
    assert not handle(state, short(DISK))[1]  # it is asked for once


def test_it_is_measured_behind_the_removal_of_what_fills_the_disk() -> None:
    plan = make_plan("ab", slots=1, landing=LandingMode.NONE)

    _, commands = play(plan, GREEN, short(DISK), *journals.succeed("a", at=0))

    assert [type(command) for command in commands] == [RemoveWorktree, MeasureRoom]


ANSWERS = {
    "still full": (DISK, "", True),
    "there is room": (None, "ab", False),
    "there is room, but little memory": (MEMORY, "a", False),
}


@pytest.mark.parametrize(("answer", "begun", "stops"), ANSWERS.values(), ids=ANSWERS)
def test_the_answer_stops_the_run_or_lets_it_go_on(
    answer: Shortage | None, begun: str, stops: bool
) -> None:
    state, commands = play(make_plan("ab"), short(DISK), GREEN, short(answer, is_answer=True))

    assert started(commands) == begun
    assert state.stopped == ("no disk" if stops else "")


def test_an_answer_that_comes_when_something_runs_again_stops_nothing() -> None:
    answer = short(DISK, is_answer=True)

    state, _ = play(make_plan("ab", slots=1), short(DISK), GREEN, short(None), answer)

    assert not state.stopped
    assert state.short is DISK


def test_a_full_disk_leaves_what_runs_alone() -> None:
    state, commands = play(make_plan("ab"), GREEN, short(DISK))

    assert not commands
    assert not state.stopped


def test_a_run_whose_tasks_are_all_over_needs_no_room() -> None:
    simulator = Simulator(make_plan("a"), disturbance=Disturbance(shortages={4: DISK}))

    assert not simulator.run().stopped
    assert simulator.landed == {"a"}


def test_a_run_that_stopped_on_a_full_disk_is_resumed_by_measuring() -> None:
    full = (short(DISK), GREEN, short(DISK, is_answer=True))
    state, commands = play(make_plan("ab"), *full, RunResumed())

    assert not state.stopped
    assert commands == (MeasureRoom(),)
    assert started(handle(state, short(None, is_answer=True))[1]) == "ab"
    assert handle(state, short(DISK, is_answer=True))[0].stopped == "no disk"


def test_a_measurement_that_a_process_died_over_is_asked_for_again() -> None:
    _, commands = play(make_plan("ab"), short(DISK), GREEN, RunResumed())

    assert commands == (MeasureRoom(),)


def test_a_run_without_room_ends_with_exit_code_4_and_says_what_to_do() -> None:
    simulator = Simulator(make_plan("ab"), disturbance=Disturbance(shortages={0: DISK}, resumes=0))
    state = simulator.run()
    report = build_report(state, simulator.journal)

    assert (report.ended, report.reason) == (RunEnd.STOPPED, "disk")
    assert exit_code(report.ended) == 4
    assert [step.text for step in report.next_steps] == ["make room on the disk, then go on"]
    assert report.next_steps[0].command == "concertmaster resume run"


# --- nothing waits for ever ------------------------------


@pytest.mark.matrix
@given(plans(budgets=[None]), st.dictionaries(steps, st.just(MEMORY), min_size=1), orders)
def test_little_memory_for_ever_only_makes_the_run_slower(
    plan: Plan, shortages: Mapping[int, Shortage], order: list[int]
) -> None:
    disturbance = Disturbance(shortages=shortages)
    simulator = Simulator(plan, disturbance=disturbance, order=order)
    calm = Simulator(plan)

    assert simulator.run().finished
    calm.run()
    assert simulator.landed == calm.landed


@given(plans(budgets=[None]), steps, orders)
def test_a_full_disk_for_ever_ends_the_run_with_the_reason(
    plan: Plan, step: int, order: list[int]
) -> None:
    disturbance = Disturbance(shortages={step: DISK}, resumes=0)
    simulator = Simulator(plan, disturbance=disturbance, order=order)

    state = simulator.run()

    is_left = any(not one.state.is_over for one in state.tasks.values())
    assert state.stopped == ("disk" if is_left else "")


@given(
    plans(budgets=[None]),
    st.dictionaries(steps, st.sampled_from([*Shortage, None]), max_size=9),
    orders,
)
def test_whatever_the_machine_is_short_of_and_when_a_run_that_is_resumed_comes_to_its_end(
    plan: Plan, shortages: Mapping[int, Shortage | None], order: list[int]
) -> None:
    disturbance = Disturbance(shortages=shortages, resumes=20)
    simulator = Simulator(plan, disturbance=disturbance, order=order)
    calm = Simulator(plan)

    assert simulator.run().finished
    calm.run()
    assert simulator.landed == calm.landed


# --- in words and on disk ------------------------------


def test_each_change_is_told_once_and_the_stop_with_its_reason() -> None:
    lines: list[str] = []
    state = begin_run(make_plan("ab"))
    for event in (
        RunStarted(run="run"),
        short(MEMORY),
        short(None),
        short(DISK),
        GREEN,
        short(DISK, is_answer=True),
    ):
        before = state
        state, _ = handle(state, event)
        lines += [line for line in progress_lines(before, state, event) if "base" not in line]

    assert lines[1:] == [
        "no room: no memory",
        "there is room again, so tasks start again",
        "no room: no disk",
        "no further agent starts: no disk",
    ]


@given(st.sampled_from([None, *Shortage]), st.booleans())
def test_the_journal_keeps_what_is_short(of: Shortage | None, is_answer: bool) -> None:
    event = short(of, is_answer=is_answer)

    assert load_event(dump_event(event)) == event
