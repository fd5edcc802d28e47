"""Tests that the indexes of the tasks are right after every event, and that their cost is flat."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from statistics import mean
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.events import Event, PhaseFinished, RunStarted
from concertmaster.model import Plan, TaskState
from concertmaster.persistent import PersistentMap
from concertmaster.planning.scheduler import rank_task
from concertmaster.run.state import RunState
from concertmaster.run.state_machine import begin_run, handle
from concertmaster.run.task_record import TaskRecord
from concertmaster.run.task_table import TaskTable
from concertmaster.settings.choices import LandingMode
from tests.simulator import Disturbance, Simulator, World, make_plan
from tests.simulator.answers import SimulatedEngine
from tests.unit.run.test_state_machine import disturbances, orders, plans, worlds

FEW, MANY = 100, 1000
NOT_COMPARED = {"network", "mode", "counts", "changes", "agenda"}
modes = st.sampled_from([LandingMode.MERGE, *LandingMode])


def assert_indexed(tasks: TaskTable) -> None:
    """Assert that every index is what a table of the same records begins with."""
    anew = TaskTable.build(tasks.network, tasks, mode=tasks.mode).keep(*tasks.keeping)
    for one in fields(TaskTable):
        if one.name not in NOT_COMPARED:
            assert getattr(tasks, one.name) == getattr(anew, one.name), one.name
    assert +Counter(tasks.counts) == +Counter(anew.counts)
    queued = {urgency[-1]: urgency for urgency in sorted(_queued(tasks), reverse=True)}
    for key in tasks.ready:  # a task may be queued too early, never too late
        assert queued[key] <= rank_task(tasks.network, key, tasks.is_open)


@given(modes.flatmap(lambda mode: plans(landing=mode)), worlds(), disturbances, orders)
def test_every_index_is_right_after_every_event(
    plan: Plan, world: World, disturbance: Disturbance, order: list[int]
) -> None:
    simulator = Simulator(plan, world, disturbance=disturbance, order=order)
    simulator.run()

    state = begin_run(plan)
    for event in simulator.journal:
        before, (state, _) = state, handle(state, event)
        assert_indexed(state.tasks)
        moved = [key for key in plan_order(plan) if is_moved(key, before, state)]
        assert state.tasks.changed_since(before.tasks) == moved


def plan_order(plan: Plan) -> list[str]:
    return [task.id for task in plan.tasks]


def is_moved(key: str, before: RunState, after: RunState) -> bool:
    return before.tasks[key].state is not after.tasks[key].state


@pytest.mark.parametrize("state", list(TaskState))
def test_a_task_that_is_open_again_is_indexed_anew(state: TaskState) -> None:
    tasks = begin_run(make_plan("abc", hard=["ba"], apart=["ac"])).tasks
    for key in "ab":
        tasks = tasks.put(replace(tasks[key], state=TaskState.FAILED))

    tasks = tasks.put(replace(tasks["a"], state=state))

    assert_indexed(tasks)


def _queued(tasks: TaskTable) -> Iterator[tuple[float, float, str]]:
    for queue in (tasks.agenda.queue, *tasks.agenda.held_by.values()):
        rest = queue
        while rest:
            yield rest.first
            rest = rest.rest


# --- the cost of an event ------------------------------------------------------------------------


@dataclass
class Work:
    """The work of the state machine: looks at task records, and function calls."""

    looks: int = 0
    calls: int = 0
    by_event: list[tuple[Event, int]] = field(default_factory=list)  # with the looks of each

    @property
    def looks_of_phases(self) -> list[int]:
        return [looks for event, looks in self.by_event if isinstance(event, PhaseFinished)]

    @property
    def mean_looks(self) -> float:
        return mean(looks for _, looks in self.by_event)

    @property
    def mean_calls(self) -> float:
        return self.calls / len(self.by_event)

    def profile(self, frame: FrameType, event: str, argument: object) -> None:
        self.calls += event in ("call", "c_call")


class CountingMap(Mapping[str, TaskRecord]):
    """A persistent map that counts how often a record is looked at."""

    def __init__(self, records: PersistentMap[str, TaskRecord], work: Work) -> None:
        self.records = records
        self.work = work

    def __getitem__(self, key: str) -> TaskRecord:
        self.work.looks += 1
        return self.records[key]

    def __iter__(self) -> Iterator[str]:
        for key in self.records:
            self.work.looks += 1
            yield key

    def __len__(self) -> int:
        return len(self.records)

    def insert(self, key: str, record: TaskRecord) -> CountingMap:
        return CountingMap(self.records.insert(key, record), self.work)


def count_work(size: int) -> Work:
    """Return the work of a whole run in which all tasks land."""
    engine, work = SimulatedEngine(make_large_plan(size), World()), Work()
    event: Event = RunStarted(run="run")
    state, commands = handle(engine.state, event)
    records: Any = CountingMap(state.tasks.records, work)
    engine.state = replace(state, tasks=replace(state.tasks, records=records))
    while not engine.state.finished:
        engine.pending += commands
        answer = engine.answer(engine.pending.pop(0))
        commands = ()
        if answer is not None:
            before = work.looks
            sys.setprofile(work.profile)
            engine.state, commands = handle(engine.state, answer)
            sys.setprofile(None)
            work.by_event.append((answer, work.looks - before))
    assert engine.state.tasks.counts[TaskState.LANDED] == size
    return work


def make_large_plan(size: int) -> Plan:
    """Return a plan in which tasks need, follow and exclude a few near ones."""
    names = [f"task{number:04}" for number in range(size)]
    return make_plan(
        names,
        hard=[*zip(names[1::3], names[0::3], strict=False)],
        soft=[*zip(names[2::3], names[1::3], strict=False)],
        apart=[*zip(names[0::4], names[2::4], strict=False)],
    )


@pytest.mark.matrix
def test_the_work_of_an_event_does_not_grow_with_the_run() -> None:
    few, many = count_work(FEW), count_work(MANY)

    assert len(many.by_event) > 9 * len(few.by_event)
    assert many.mean_looks <= 1.1 * few.mean_looks
    assert many.mean_calls <= 1.1 * few.mean_calls
    assert max(many.looks_of_phases) <= max(few.looks_of_phases) + 5
