"""What did not land is mended on the new tip, so often as the plan says, then left out."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from concertmaster.commands import KeepWork, RunPhase
from concertmaster.model import Outcome, TaskState
from concertmaster.run.state_machine import begin_run, fold_events
from concertmaster.settings.choices import Phase
from tests.simulator import Disturbance, Simulator, World, make_plan

CLASH = World(conflicts=frozenset({frozenset("ab")}))
BROKEN = World(red=(frozenset("ab"),))


def play(world: World, *, repairs: int = 2, attempts: int = 1) -> Simulator:
    simulator = Simulator(make_plan("ab", repairs=repairs, attempts=attempts), world)
    simulator.run()
    return simulator


def repairs(simulator: Simulator) -> list[RunPhase]:
    """Return the first commands of all repairs."""
    commands = (c for c in simulator.commands if isinstance(c, RunPhase) and c.repair)
    return [command for command in commands if command.phase is Phase.PREPARE]


def test_a_conflict_is_mended_on_the_tip_that_it_conflicts_with() -> None:
    simulator = play(CLASH)
    [command] = repairs(simulator)

    assert simulator.landed == {"a", "b"}
    assert command.repair is not None
    assert command.repair.reason == "does not merge onto the target: conflict in x"
    assert simulator.commits[command.repair.tip].contents == {"a"}
    assert simulator.commits[command.repair.head].contents == {"b"}


def test_a_repair_goes_through_all_phases_but_research_and_documents() -> None:
    simulator = Simulator(make_plan("ab", phases=tuple(Phase)), CLASH)
    simulator.run()
    asked = [c.phase for c in simulator.commands if isinstance(c, RunPhase) and c.repair]

    assert asked == [Phase.PREPARE, Phase.IMPLEMENT, Phase.TEST, Phase.REVIEW, Phase.DELIVER]


@pytest.mark.parametrize("limit", [0, 1, 2, 3])
def test_what_stays_broken_is_left_out_after_the_repairs(limit: int) -> None:
    simulator = play(BROKEN, repairs=limit)
    [lost] = simulator.in_state(TaskState.LEFT_OUT)

    assert len(repairs(simulator)) == limit
    assert simulator.landed == {"a", "b"} - {lost}
    assert "not on the target" in simulator.state.tasks[lost].reason


def test_a_repair_that_fails_is_no_attempt_and_the_result_before_it_is_kept() -> None:
    fails = {("b", 2): (Phase.TEST, Outcome.FAILED), ("b", 3): (Phase.TEST, Outcome.TIMED_OUT)}
    simulator = play(replace(CLASH, fails=fails), attempts=1)
    one = simulator.state.tasks["b"]

    assert one.state is TaskState.LEFT_OUT
    assert one.reason.endswith("conflict in x; its repair failed: timed_out in test")
    assert one.work == one.attempts[0].head
    assert [c.commit for c in simulator.asked(KeepWork) if isinstance(c, KeepWork)] == [one.work]


def test_a_refused_repair_is_not_repeated() -> None:
    fails = {("b", 2): (Phase.DELIVER, Outcome.REFUSED)}
    simulator = play(replace(CLASH, fails=fails))

    assert len(repairs(simulator)) == 1
    assert simulator.in_state(TaskState.LEFT_OUT) == {"b"}


def test_a_usage_limit_or_a_cancelled_phase_costs_no_repair() -> None:
    fails = {("b", 2): (Phase.IMPLEMENT, Outcome.CANCELLED)}
    simulator = play(replace(CLASH, fails=fails), repairs=1)

    assert simulator.landed == {"a", "b"}


def test_a_check_that_writes_nothing_still_tells_the_agent_that_it_failed() -> None:
    evidence = [command.repair.evidence for command in repairs(play(BROKEN)) if command.repair]

    assert evidence
    assert all("not on the target" in told for told in evidence)


def test_nothing_is_mended_after_the_run_was_stopped() -> None:
    plan = make_plan("ab", budget_usd=6.0)
    simulator = Simulator(plan, CLASH, disturbance=Disturbance(resumes=0))
    simulator.run()

    assert simulator.landed == {"a"}
    assert simulator.in_state(TaskState.LEFT_OUT) == {"b"}
    assert "it was not mended: the budget" in simulator.state.tasks["b"].reason


@pytest.mark.parametrize("step", range(30))
def test_a_repair_goes_on_after_a_crash_at_any_step(step: int) -> None:
    simulator = Simulator(
        make_plan("ab"), CLASH, disturbance=Disturbance(crashes=frozenset({step}))
    )
    simulator.run()

    assert simulator.landed == {"a", "b"}
    assert len(simulator.state.tasks["b"].attempts) + len(simulator.state.tasks["a"].attempts) == 3


@pytest.mark.parametrize("step", range(25, 31))
@pytest.mark.parametrize("seed", [3, 20, 24])
def test_a_crash_while_a_batch_lands_takes_no_repair_from_its_culprit(seed: int, step: int) -> None:
    """The culprit's repair has begun before the target has moved to the rest of its batch."""
    random = Random(seed)
    simulator = Simulator(
        make_plan("abcd"),
        World(red=(frozenset("bc"),)),
        disturbance=Disturbance(crashes=frozenset({step})),
        order=[random.randrange(6) for _ in range(80)],
    )
    simulator.run()

    [lost] = simulator.in_state(TaskState.LEFT_OUT)
    assert lost in "bc"
    assert len(simulator.state.tasks[lost].attempts) == 3


def test_a_run_that_was_planned_before_repairs_were_made_mends_nothing() -> None:
    simulator = Simulator(replace(make_plan("ab"), version=1), CLASH)
    simulator.run()

    assert not repairs(simulator)
    assert simulator.in_state(TaskState.LEFT_OUT) == {"b"}
    assert fold_events(simulator.plan, simulator.journal) == simulator.state
    assert begin_run(simulator.plan).tasks["a"].repair is None


@pytest.mark.parametrize("seed", range(12))
def test_what_needs_a_change_only_behind_a_task_without_one_waits_for_its_repair(seed: int) -> None:
    random = Random(seed)
    order = [random.randrange(3) for _ in range(60)]
    plan = make_plan("bcg", hard=["cb", "gc"], slots=2)
    simulator = Simulator(plan, World(red=(frozenset("b"),), no_ops=frozenset("c")), order=order)
    simulator.run()

    assert simulator.landed == frozenset()
    assert simulator.in_state(TaskState.BLOCKED) == {"c", "g"}


def test_what_came_after_a_task_without_a_change_starts_though_that_one_is_lost_early() -> None:
    """c is done on b; b is mended, and meanwhile the other need of c is lost."""
    tasks = begin_run(make_plan("bxcg", hard=["cb", "cx"], soft=["gc"])).tasks
    over = {"b": TaskState.SUCCEEDED, "x": TaskState.SUCCEEDED, "c": TaskState.SUCCEEDED}
    for key, state in over.items():
        tasks = tasks.put(replace(tasks[key], state=state))
    assert "g" in tasks.ready

    tasks = tasks.put(replace(tasks["b"], state=TaskState.WAITING))
    assert "g" not in tasks.ready
    tasks = tasks.put(replace(tasks["c"], state=TaskState.BLOCKED))

    assert "g" in tasks.ready
