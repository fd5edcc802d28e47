"""Tests that exclusions follow what is observed of running attempts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest

from concertmaster.commands import RunPhase
from concertmaster.events import (
    BaseChecked,
    Event,
    FootprintObserved,
    PhaseFailed,
    PhaseFinished,
    RunResumed,
    RunStarted,
)
from concertmaster.model import Outcome, Plan, Sighting
from concertmaster.report.progress_lines import progress_lines
from concertmaster.run.notices import NoticeKind
from concertmaster.run.state import RunState
from concertmaster.run.state_machine import fold_events, handle
from concertmaster.settings.choices import LEAN_PHASES, Phase
from tests.simulator import make_plan

PLANNED, CHANGING, CHANGED = Sighting


def make(
    footprints: Mapping[str, Mapping[str, float]],
    *,
    apart: Iterable[str] = (),
    slots: int = 1,
    more: str = "",
    soft: Iterable[str] = (),
) -> Plan:
    return make_plan(
        [*footprints, *more],
        footprints=footprints,
        apart=apart,
        slots=slots,
        soft=soft,
        attempts=2,
    )


OPENING: tuple[Event, ...] = (
    RunStarted(run="run"),
    BaseChecked(tree="t", passed=True, reason="", seconds=1.0, tip="base"),
)


def see(task: str, sighting: Sighting, *paths: str, attempt: int = 1) -> FootprintObserved:
    return FootprintObserved(task=task, attempt=attempt, sighting=sighting, paths=paths)


def finish(task: str, *phases: Phase, attempt: int = 1) -> tuple[PhaseFinished, ...]:
    return tuple(
        PhaseFinished(
            task=task, attempt=attempt, phase=phase, seconds=1.0, checkpoint=f"{task} {phase}"
        )
        for phase in phases
    )


def fold(plan: Plan, *events: Event) -> RunState:
    return fold_events(plan, (*OPENING, *events))


def told(state: RunState) -> list[tuple[NoticeKind, tuple[str, str], tuple[str, ...]]]:
    return [(one.kind, one.tasks, one.paths) for one in state.notices]


def running(state: RunState) -> set[str]:
    return {key for key, one in state.tasks.items() if one.is_busy}


@pytest.mark.parametrize("sighting", [PLANNED, CHANGING, CHANGED])
def test_a_waiting_task_waits_for_what_is_seen_to_change_its_files(sighting: Sighting) -> None:
    plan = make({"a": {"other": 0.9}, "b": {"x": 0.9}}, more="cdefgh")
    state = fold(plan, see("a", sighting, "x"))

    assert told(state) == [(NoticeKind.KEPT_APART, ("b", "a"), ("x",))]
    assert state.network.excluded["b"] == {"a"}


@pytest.mark.parametrize("sighting", [PLANNED, CHANGED])
def test_a_task_that_was_held_for_nothing_starts(sighting: Sighting) -> None:
    plan = make({"a": {"x": 0.9}, "b": {"x": 0.9}}, apart=["ab"], slots=2)
    held = fold(plan)
    freed, commands = handle(held, see("a", sighting, "other"))

    assert running(held) == {"a"}
    assert told(freed) == [(NoticeKind.RELEASED, ("b", "a"), ("x",))]
    assert [one.task.id for one in commands if isinstance(one, RunPhase)] == ["b"]


def test_a_first_change_elsewhere_frees_nobody() -> None:
    plan = make({"a": {"x": 0.9}, "b": {"x": 0.9}}, apart=["ab"], slots=2)
    state = fold(plan, see("a", CHANGING, "other"))

    assert running(state) == {"a"}
    assert not state.notices


def test_a_plan_without_a_declared_file_frees_nobody_but_its_end_does() -> None:
    plan = make({"a": {"x": 1.0}, "b": {"x": 0.9}}, apart=["ab"], slots=2)
    tasks = (replace(plan.tasks[0], touches=("x",)), plan.tasks[1])
    plan = replace(plan, tasks=tasks)

    assert running(fold(plan, see("a", PLANNED, "other"))) == {"a"}
    assert running(fold(plan, see("a", CHANGED, "other"))) == {"a", "b"}


def test_what_the_later_task_meets_is_in_its_base() -> None:
    plan = make({"a": {"other": 0.9}, "b": {"x": 0.9}}, more="cdefgh")
    state = fold(plan, see("a", CHANGED, "x"))
    commands: list[object] = []
    for event in finish("a", *LEAN_PHASES):
        state, more = handle(state, event)
        commands += more
    begun = [one for one in commands if isinstance(one, RunPhase) and one.task.id == "b"]

    assert [built.task for one in begun for built in one.wanted] == ["a"]
    assert {one.apart for one in begun} == {frozenset("a")}


FAILED = PhaseFailed(
    task="a", attempt=1, phase=Phase.TEST, seconds=1.0, outcome=Outcome.FAILED, reason="red"
)


def test_the_next_attempt_is_expected_where_the_last_one_was() -> None:
    plan = make({"a": {"y": 0.9}, "b": {"x": 0.9}}, slots=2)
    state = fold(plan, see("a", CHANGED, "x"), FAILED)

    assert running(state) == {"b"}
    assert state.network.excluded["a"] == {"b"}
    assert told(state)[-1] == (NoticeKind.KEPT_APART, ("a", "b"), ("x",))


def test_a_task_that_enters_the_files_of_a_running_one_is_told_and_nothing_more() -> None:
    plan = make({"a": {"x": 0.9}, "b": {"y": 0.9}}, slots=2)
    before = fold(plan)
    event = see("a", CHANGING, "x", "y")
    state, commands = handle(before, event)

    assert told(state) == [(NoticeKind.ENTERED, ("a", "b"), ("y",))]
    assert not commands
    assert [*progress_lines(before, state, event)] == [
        "a  changes y, which b works on at the same time"
    ]
    assert len(handle(state, event)[0].notices) == 1, "it is told once"


def test_an_order_keeps_apart_without_an_exclusion() -> None:
    plan = make({"a": {"x": 0.9}, "b": {"x": 0.9}}, soft=["ba"], slots=2)

    assert not fold(plan, see("a", CHANGED, "x")).notices


@pytest.mark.parametrize(
    "late", [see("a", CHANGED, "x", attempt=2), see("b", CHANGED, "x", attempt=1)]
)
def test_what_is_seen_of_no_running_attempt_changes_nothing(late: FootprintObserved) -> None:
    plan = make({"a": {"y": 0.9}, "b": {"x": 0.9}})
    state = fold(plan)

    assert fold(plan, late) == state


def test_a_resumed_run_knows_what_was_seen() -> None:
    plan = make({"a": {"x": 0.9}, "b": {"x": 0.9}}, apart=["ab"], slots=2)
    seen = see("a", CHANGED, "other")
    resumed = fold(plan, seen, RunResumed())

    assert resumed.network.excluded["b"] == frozenset()
    assert resumed.notices == fold(plan, seen).notices
    assert running(resumed) == {"a", "b"}


def test_what_is_seen_of_an_attempt_that_has_ended_changes_nothing() -> None:
    plan = make({"a": {"y": 0.9}, "b": {"x": 0.9}, "c": {"y": 0.9}}, apart=["ac"])
    ended = fold(plan, *finish("a", *LEAN_PHASES))

    assert handle(ended, see("a", CHANGED, "x")) == (ended, ())
