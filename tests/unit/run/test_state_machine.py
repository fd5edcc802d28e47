"""Tests whole runs of random plans in random worlds, and small runs for single rules."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.commands import (
    CheckBase,
    CheckBatch,
    FinishRun,
    KeepWork,
    LandBatch,
    RemoveWorktree,
    RunPhase,
)
from concertmaster.events import (
    BaseChecked,
    CancelRequested,
    PhaseFailed,
    PhaseFinished,
    RunFinished,
    RunResumed,
    WorkKept,
)
from concertmaster.model import Outcome, Plan, Shortage, TaskState
from concertmaster.run.reducer import AGENT_PHASES
from concertmaster.run.state_machine import fold_events, handle
from concertmaster.settings.choices import LEAN_PHASES, LandingMode, Phase, Radar
from tests.simulator import Disturbance, Simulator, World, make_plan

NAMES = "abcdefg"
OTHERS = "12"  # changes of other people
orders = st.lists(st.integers(0, 7), max_size=60)
steps = st.integers(1, 60)


@st.composite
def plans(
    draw: st.DrawFn,
    *,
    landing: LandingMode = LandingMode.MERGE,
    budgets: Sequence[float | None] = (None, None, 2.0, 9.0),
) -> Plan:
    names = NAMES[: draw(st.integers(1, len(NAMES)))]
    pairs = ["".join(reversed(pair)) for pair in combinations(names, 2)]
    kinds = st.sampled_from(["hard", "soft", "apart", "", "", "", ""])
    drawn = {pair: draw(kinds) for pair in pairs}
    return make_plan(
        names,
        hard=[p for p in pairs if drawn[p] == "hard"],
        soft=[p for p in pairs if drawn[p] == "soft"],
        apart=[p for p in pairs if drawn[p] == "apart"],
        slots=draw(st.integers(1, 8)),
        attempts=draw(st.integers(1, 3)),
        budget_usd=draw(st.sampled_from(budgets)),
        landing=landing,
        phases=draw(st.sampled_from([LEAN_PHASES, LEAN_PHASES, tuple(Phase)])),
        fix_attempts=draw(st.integers(0, 2)),
        longest_pause_seconds=draw(st.sampled_from([None, None, 0.0, 30.0])),
        footprints=draw(st.dictionaries(st.sampled_from(names), guesses, max_size=len(names))),
        radar=draw(st.sampled_from(Radar)),
    )


paths = st.sampled_from(["x", "y", "z"])
guesses = st.dictionaries(paths, st.sampled_from([0.1, 0.5, 0.9, 1.0]), max_size=3)


changes = st.sampled_from(NAMES + OTHERS)
own_changes = st.sampled_from(NAMES)
speakers = st.sampled_from(sorted(AGENT_PHASES))
judges = st.sampled_from([Phase.TEST, Phase.REVIEW, Phase.DOCUMENT])
failures = st.tuples(
    st.sampled_from(list(Phase)),
    st.sampled_from([one for one in Outcome if one not in (Outcome.SUCCEEDED, Outcome.YIELDED)]),
)
calm_failures = st.tuples(
    st.sampled_from(list(Phase)), st.sampled_from([Outcome.FAILED, Outcome.REFUSED])
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Draw any world in which no two checks in a row are flaky: three would make a culprit."""
    return World(
        fails=draw(
            st.dictionaries(st.tuples(own_changes, st.integers(1, 3)), failures, max_size=3)
        ),
        returns=draw(
            st.dictionaries(st.tuples(own_changes, judges), st.integers(1, 4), max_size=3)
        ),
        limits=draw(
            st.dictionaries(st.tuples(own_changes, speakers), st.integers(1, 3), max_size=4)
        ),
        documented=draw(st.frozensets(own_changes)),
        no_ops=draw(st.frozensets(own_changes, max_size=2)),
        red=tuple(draw(st.lists(st.frozensets(changes, min_size=1, max_size=3), max_size=3))),
        conflicts=draw(st.frozensets(st.frozensets(changes, min_size=2, max_size=2), max_size=3)),
        flakes=frozenset(2 * n for n in draw(st.frozensets(st.integers(0, 10), max_size=3))),
        diverted_from=draw(st.sampled_from([None, None, 1, 2])),
        base_red=draw(st.integers(0, 20)) == 20,
        planned=draw(st.dictionaries(own_changes, st.frozensets(paths), max_size=4)),
        written=draw(st.dictionaries(own_changes, st.frozensets(paths), max_size=4)),
    )


disturbances = st.builds(
    Disturbance,
    moves=st.frozensets(steps, max_size=2),
    crashes=st.frozensets(steps, max_size=3),
    cancel=st.one_of(st.none(), st.none(), steps),
    cancelled=st.dictionaries(steps, own_changes, max_size=2),
    shortages=st.dictionaries(steps, st.sampled_from([*Shortage, None]), max_size=3),
)


def play(plan: Plan, world: World | None = None, **given: object) -> Simulator:
    simulator = Simulator(plan, world, **given)  # type: ignore[arg-type]
    simulator.run()
    return simulator


# --- every run of every plan in every world ------------------------------


@given(plans(), worlds(), disturbances, orders)
def test_every_run_ends_and_keeps_every_rule(
    plan: Plan, world: World, disturbance: Disturbance, order: list[int]
) -> None:
    play(plan, world, disturbance=disturbance, order=order)


@given(plans(), worlds(), disturbances, orders)
def test_what_is_lost_is_lost_for_a_reason(
    plan: Plan, world: World, disturbance: Disturbance, order: list[int]
) -> None:
    simulator = play(plan, world, disturbance=disturbance, order=order)

    in_trouble = {
        *(task for task, _ in world.fails),
        *(task for task, _ in world.returns),
        *(change for bad in world.red for change in bad),
        *(change for pair in world.conflicts for change in pair),
    }
    tip_is_red = any(bad <= simulator.landed | set(OTHERS) for bad in world.red)
    for task in simulator.in_state(TaskState.LEFT_OUT, TaskState.FAILED, TaskState.BLOCKED):
        needed = {need.on for need in plan.needs if need.task == task and need.hard}
        blocked = needed & in_trouble or any(simulator.state.tasks[n].state.is_lost for n in needed)
        assert simulator.state.tasks[task].reason
        is_cancelled = simulator.state.cancelled or simulator.state.tasks[task].cancelled
        assert blocked or task in in_trouble or tip_is_red or is_cancelled


@given(plans(budgets=[None]), st.tuples(orders, orders), st.frozensets(steps, max_size=3))
def test_a_crash_anywhere_changes_nothing_of_the_result(
    plan: Plan, order: tuple[list[int], list[int]], crashes: frozenset[int]
) -> None:
    world = World(
        fails={("a", 1): (Phase.IMPLEMENT, Outcome.FAILED), ("d", 1): (Phase.TEST, Outcome.LOST)},
        red=(frozenset("b"),),
        no_ops=frozenset("c"),
    )

    calm = play(plan, world, order=order[0])
    rough = play(plan, world, order=order[1], disturbance=Disturbance(crashes=crashes))

    assert calm.landed == rough.landed


@given(plans(), worlds(), disturbances, orders, st.integers(0, 200))
def test_a_journal_that_ends_anywhere_can_be_gone_on_with(
    plan: Plan, world: World, disturbance: Disturbance, order: list[int], end: int
) -> None:
    whole = play(plan, world, disturbance=disturbance, order=order)
    journal = whole.journal[: max(1, end % len(whole.journal))]

    state, commands = handle(fold_events(plan, journal), RunResumed())

    ends = [e for e in journal if isinstance(e, PhaseFinished | PhaseFailed)]
    last = {(e.task, e.attempt): e for e in ends}
    for command in (c for c in commands if isinstance(c, RunPhase)):
        assert command.phase not in state.tasks[command.task.id].attempts[-1].holds
        answer = last.get((command.task.id, command.attempt))
        assert not isinstance(answer, PhaseFinished) or answer.phase is not command.phase
    assert state.finished or commands


@given(
    st.sampled_from([LandingMode.BRANCHES, LandingMode.NONE, LandingMode.PULL_REQUESTS]).flatmap(
        lambda mode: plans(landing=mode)
    ),
    worlds(),
    orders,
)
def test_without_landing_nothing_reaches_the_target(
    plan: Plan, world: World, order: list[int]
) -> None:
    simulator = Simulator(plan, world, order=order)
    simulator.run()

    assert not list(simulator.asked(LandBatch))
    assert not simulator.in_state(TaskState.LANDED, TaskState.LEFT_OUT)


# --- tables: what becomes of the tasks ------------------------------

RUNS = {
    "all that is well lands": (make_plan("abc", hard=["ba"]), World(), "abc", ""),
    "a red base starts nothing": (make_plan("ab"), World(base_red=True), "", ""),
    "a culprit is left out alone": (make_plan("abc"), World(red=(frozenset("b"),)), "ac", "b"),
    "two that clash lose one": (make_plan("abc"), World(red=(frozenset("ab"),)), "ac", "b"),
    "three that clash lose one": (make_plan("abcd"), World(red=(frozenset("abd"),)), "abc", "d"),
    "a lost need blocks": (
        make_plan("abc", hard=["ba", "cb"]),
        World(red=(frozenset("a"),)),
        "",
        "abc",
    ),
    "a lost need blocks through one that changed nothing": (
        make_plan("abc", hard=["ba", "cb"]),
        World(red=(frozenset("a"),), no_ops=frozenset("b")),
        "",
        "abc",
    ),
    "what is only ordered behind a culprit lands without it": (
        make_plan("ab", soft=["ba"]),
        World(red=(frozenset("a"),)),
        "b",
        "a",
    ),
    "what was kept apart from a culprit lands without it": (
        make_plan("abc", apart=["ab"], slots=2),
        World(red=(frozenset("a"),)),
        "bc",
        "a",
    ),
    "of two that do not merge the later one is mended": (
        make_plan("abc"),
        World(conflicts=frozenset({frozenset("ac")})),
        "abc",
        "",
    ),
    "of two that do not merge the first lands where nothing is mended": (
        make_plan("abc", repairs=0),
        World(conflicts=frozenset({frozenset("ac")})),
        "ab",
        "c",
    ),
    "who does not merge behind a culprit lands in its place": (
        make_plan("ab"),
        World(conflicts=frozenset({frozenset("ab")}), red=(frozenset("a"),)),
        "b",
        "a",
    ),
    "those kept apart are built on each other and merge": (
        make_plan("ab", apart=["ab"]),
        World(conflicts=frozenset({frozenset("ab")})),
        "ab",
        "",
    ),
    "a failed attempt has a second one": (
        make_plan("a", attempts=2),
        World(fails={("a", 1): (Phase.TEST, Outcome.FAILED)}),
        "a",
        "",
    ),
    "a refused attempt has none": (
        make_plan("a", attempts=2),
        World(fails={("a", 1): (Phase.DELIVER, Outcome.REFUSED)}),
        "",
        "a",
    ),
    "a limited attempt is not counted": (
        make_plan("a", attempts=1),
        World(fails={("a", 1): (Phase.IMPLEMENT, Outcome.LIMITED)}),
        "a",
        "",
    ),
    "what changed nothing has succeeded": (make_plan("a"), World(no_ops=frozenset("a")), "", ""),
}


@pytest.mark.parametrize(("plan", "world", "landed", "lost"), RUNS.values(), ids=RUNS)
def test_what_becomes_of_the_tasks(plan: Plan, world: World, landed: str, lost: str) -> None:
    simulator = play(plan, world)

    states = (TaskState.LEFT_OUT, TaskState.FAILED, TaskState.BLOCKED)
    assert simulator.landed == frozenset(landed)
    assert simulator.in_state(*states) == frozenset(lost)


# --- the train ------------------------------


def test_a_lone_suspect_is_run_again_twice_before_it_is_the_culprit() -> None:
    simulator = play(make_plan("a", repairs=0), World(red=(frozenset("a"),)))

    asked = [c for c in simulator.asked(CheckBatch) if isinstance(c, CheckBatch)]
    assert [len(c.red) for c in asked] == [0, 0, 0]
    assert simulator.checks == [frozenset("a")] * 3


@pytest.mark.parametrize("flakes", [{0}, {0, 1}])
def test_a_flake_lands_and_is_reported(flakes: set[int]) -> None:
    simulator = play(make_plan("a"), World(flakes=frozenset(flakes)))

    assert simulator.landed == {"a"}
    assert simulator.state.landing.flaky == ("a",)


def test_what_was_tested_on_the_old_tip_does_not_land() -> None:
    calm = play(make_plan("a"))
    before_landing = len(calm.journal) - 3
    simulator = play(make_plan("a"), disturbance=Disturbance(moves=frozenset({before_landing})))

    tips = [c.tip for c in simulator.asked(LandBatch) if isinstance(c, LandBatch)]
    assert tips == ["base", "push 1"]
    assert simulator.checks == [frozenset("a"), frozenset("a1")]


def test_a_red_target_leaves_all_out_and_accuses_none() -> None:
    moves = Disturbance(moves=frozenset({1}))
    simulator = play(make_plan("abc"), World(red=(frozenset("1"),)), disturbance=moves)

    assert simulator.in_state(TaskState.LEFT_OUT) == frozenset("abc")
    assert {one.reason for one in simulator.state.tasks.values()} == {simulator.state.landing.stuck}


def test_a_target_that_is_flaky_once_is_not_given_up() -> None:
    moves = Disturbance(moves=frozenset({1}))
    world = World(red=(frozenset("a"),), flakes=frozenset({2, 3}))
    simulator = play(make_plan("ab"), world, disturbance=moves)

    assert simulator.landed == {"b"}


def test_once_diverted_all_further_results_go_to_our_branch() -> None:
    plan = make_plan("abc", hard=["ba", "cb"])
    simulator = play(plan, World(diverted_from=2))

    assert simulator.landed == {"a"}
    assert simulator.in_state(TaskState.AWAITING_MERGE) == frozenset("bc")


# --- cancel, budget, resume ------------------------------


def test_a_cancelled_run_keeps_all_work_on_branches() -> None:
    disturbance = Disturbance(cancel=9)
    simulator = play(make_plan("abc", slots=2), disturbance=disturbance, order=[0] * 50)

    kept = {c.task for c in simulator.asked(KeepWork) if isinstance(c, KeepWork)}
    worked = {key for key, one in simulator.state.tasks.items() if one.work}
    assert worked
    assert kept == worked - simulator.landed


def test_a_run_that_is_cancelled_at_its_very_end_still_keeps_its_work_first() -> None:
    stopped = Simulator(make_plan("a", budget_usd=1.0), disturbance=Disturbance(resumes=0))
    stopped.run()
    before = fold_events(stopped.plan, stopped.journal[:-1])

    state, commands = handle(before, CancelRequested())
    state, nothing = handle(state, RunFinished())
    assert [type(c) for c in commands if not isinstance(c, RemoveWorktree)] == [KeepWork]
    assert (state.finished, nothing) == (False, ())

    state, commands = handle(state, WorkKept(task="a", branch="b", commit="c"))
    assert commands == (FinishRun(),)
    assert handle(state, RunFinished())[0].finished


def test_a_used_up_budget_stops_before_the_next_phase_and_resume_goes_on() -> None:
    plan = make_plan("ab", slots=1, budget_usd=1.0)
    stopped = Simulator(plan, disturbance=Disturbance(resumes=0))
    stopped.run()
    resumed = play(plan)

    assert stopped.state.stopped
    assert [c.phase for c in stopped.asked(RunPhase) if isinstance(c, RunPhase)] == [
        Phase.PREPARE,
        Phase.IMPLEMENT,
    ]
    assert resumed.landed == frozenset("ab")


def test_a_phase_in_which_two_processes_died_is_still_undone() -> None:
    plan = make_plan("a", budget_usd=1.0)
    simulator = Simulator(plan, disturbance=Disturbance(resumes=0))
    simulator.run()
    state, _ = handle(fold_events(plan, simulator.journal), RunResumed(budget_usd=9.0))

    state, _ = handle(state, RunResumed(budget_usd=0.5))
    state, commands = handle(state, RunResumed(budget_usd=9.0))

    assert [c.redo for c in commands if isinstance(c, RunPhase)] == [True]


def test_a_further_attempt_is_told_why_the_last_one_that_counts_failed() -> None:
    fails = {
        ("a", 1): (Phase.TEST, Outcome.FAILED),
        ("a", 2): (Phase.IMPLEMENT, Outcome.LIMITED),
    }
    simulator = play(make_plan("a", attempts=2), World(fails=fails))

    asked = [c for c in simulator.asked(RunPhase) if isinstance(c, RunPhase)]
    evidence = {c.attempt: c.evidence for c in asked}
    assert evidence == {1: "", 2: "failed in test"}


def test_a_limit_without_a_reason_stops_the_run_as_well() -> None:
    plan = make_plan("a", longest_pause_seconds=0.0)
    limited = World(fails={("a", 1): (Phase.IMPLEMENT, Outcome.LIMITED)})
    simulator = Simulator(plan, limited, disturbance=Disturbance(resumes=0))
    simulator.run()

    journal = [
        replace(e, reason="") if isinstance(e, PhaseFailed) else e for e in simulator.journal
    ]
    assert fold_events(plan, journal).stopped


def test_a_red_base_is_checked_again_on_resume() -> None:
    plan = make_plan("a")
    simulator = play(plan, World(base_red=True))

    state, commands = handle(simulator.state, RunResumed())
    assert commands == (CheckBase(),)

    green = BaseChecked(tree="t", passed=True, reason="", seconds=1.0, tip="base")
    assert any(isinstance(c, RunPhase) for c in handle(state, green)[1])


def test_a_resumed_run_looks_at_a_red_target_again() -> None:
    moves = Disturbance(moves=frozenset({1}))
    simulator = play(make_plan("a"), World(red=(frozenset("1"),)), disturbance=moves)

    assert simulator.state.landing.stuck
    assert not handle(simulator.state, RunResumed())[0].landing.stuck


# The hubs are equally urgent, but a sum of floats depends on the order of its terms.
SAME_EVERYWHERE = """
from dataclasses import replace
from tests.simulator import Simulator, make_plan
apart = [hub + chr(ord("a") + 3 * i + j) for i, hub in enumerate("ABCDEF") for j in range(3)]
plan = make_plan("ABCDEFabcdefghijklmnopqr", apart=apart, slots=1)
seconds = [0.01] * 6 + [0.1, 0.2, 0.3] * 6
tasks = [replace(t, estimate_seconds=s) for t, s in zip(plan.tasks, seconds, strict=True)]
simulator = Simulator(replace(plan, tasks=tuple(tasks)))
simulator.run()
print(simulator.journal)
"""


def test_the_same_events_give_the_same_commands_in_every_process() -> None:
    def journal(seed: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", SAME_EVERYWHERE],
            cwd=Path(__file__).parents[3],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": "src"},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    assert journal("1") == journal("2")
