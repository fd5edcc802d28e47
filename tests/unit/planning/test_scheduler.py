"""List scheduling: choice of the next tasks, makespans and bounds."""

from __future__ import annotations

import random
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster import graph
from concertmaster.planning import scheduler
from concertmaster.planning.scheduler import Agenda, Network
from tests.oracle import scheduler as oracle

Edges = list[tuple[str, str]]
NAMES = [f"t{i}" for i in range(8)]


def network(
    estimates: dict[str, float],
    *,
    after: Edges | None = None,
    apart: Edges | None = None,
    priority: dict[str, int] | None = None,
) -> Network:
    before = graph.build(estimates, after or [])
    pairs = apart or []
    return Network(
        estimates=estimates,
        before=before,
        hard=before,
        excluded=graph.build(estimates, pairs + [(b, a) for a, b in pairs]),
        priority=dict.fromkeys(estimates, 0) | (priority or {}),
    )


@st.composite
def networks(draw: st.DrawFn) -> Network:
    names = NAMES[: draw(st.integers(1, len(NAMES)))]
    kinds = st.sampled_from(["after", "apart", "", ""])
    drawn = {(b, a): draw(kinds) for a, b in combinations(names, 2)}
    return network(
        {name: float(draw(st.integers(1, 50))) for name in names},
        after=[pair for pair, kind in drawn.items() if kind == "after"],
        apart=[pair for pair, kind in drawn.items() if kind == "apart"],
    )


def random_network(seed: int, *, tasks: int) -> Network:
    """Return a network like real lists: a third of the tasks has a need, some files are hot."""
    source = random.Random(seed)
    names = [f"t{i:02}" for i in range(tasks)]
    files = {name: {source.randrange(tasks * 2) for _ in range(2)} for name in names}
    for name in source.sample(names, tasks // 8):
        files[name].add(-1)
    after = [
        (names[i], source.choice(names[:i])) for i in range(1, tasks) if source.random() < 0.35
    ]
    apart = [(a, b) for a, b in combinations(names, 2) if files[a] & files[b]]
    return network(
        {name: source.lognormvariate(6.0, 0.7) for name in names}, after=after, apart=apart
    )


def schedule(found: Network, *, slots: int) -> dict[str, tuple[float, float]]:
    """Return start and end of each task, computed independently of `simulate`."""
    order, _ = scheduler.simulate(found, slots=slots)
    times: dict[str, tuple[float, float]] = {}
    free = [0.0] * slots
    now = 0.0
    for task in order:
        barriers = [times[t][1] for t in found.before[task]]
        barriers += [times[t][1] for t in found.excluded[task] & times.keys()]
        now = max(now, min(free), *barriers, 0.0)
        free[free.index(min(free))] = times_end = now + found.estimates[task]
        times[task] = (now, times_end)
    return times


# --- pick --------------------------------------------------------------------


def pick(
    found: Network,
    *,
    ready: str | None = None,
    running: str = "",
    slots: int = 8,
    over: str = "",
) -> tuple[str, ...]:
    tasks = set(found.estimates) - set(running) if ready is None else set(ready)
    agenda = Agenda()
    for task in tasks:
        agenda = agenda.add(scheduler.rank_task(found, task, lambda _: True))
    return agenda.pick(
        found,
        ready=tasks,
        running=running,
        is_open=lambda task: task not in over,
        free_slots=slots,
    )[1]


def test_the_longest_chain_starts_first() -> None:
    found = network({"a": 1, "b": 2, "c": 9}, after=[("c", "a")])

    assert pick(found, ready="ab", slots=1) == ("a",)


def test_the_hottest_file_starts_first() -> None:
    found = network(dict.fromkeys("abcd", 5.0), apart=[("d", "c"), ("d", "b")])

    assert pick(found, slots=1) == ("d",)


def test_what_is_over_loads_nothing() -> None:
    found = network({"a": 6, "b": 5, "c": 5}, apart=[("b", "c")])

    assert pick(found, ready="ab", slots=1) == ("b",)
    assert pick(found, ready="ab", slots=1, over="c") == ("a",)


def test_priority_goes_before_everything() -> None:
    assert pick(network({"a": 1, "b": 99}, priority={"a": 1}), slots=1) == ("a",)


def test_the_id_decides_between_equals() -> None:
    assert pick(network(dict.fromkeys("cab", 1.0))) == ("a", "b", "c")


def test_neither_the_running_nor_the_chosen_are_excluded_with_a_chosen_one() -> None:
    found = network(dict.fromkeys("abcd", 1.0), apart=[("a", "b"), ("c", "d")])

    assert pick(found, running="a") == ("c",)


@pytest.mark.parametrize("seed", range(20))
def test_the_agenda_chooses_as_ranking_all_ready_tasks_anew_does(seed: int) -> None:
    found, source = random_network(seed, tasks=40), random.Random(seed)
    agenda, done, running = Agenda(), set[str](), list[str]()
    ready, known = set[str](), set[str]()
    while len(done) < len(found.before):
        for task in found.before.keys() - known:
            if found.before[task] <= done:
                ready, known = ready | {task}, known | {task}
                agenda = agenda.add(scheduler.rank_task(found, task, lambda t: t not in done))
        slots = source.randrange(5)
        expected = oracle.pick(
            found,
            ready=frozenset(ready),
            running=frozenset(running),
            open_tasks=frozenset(found.before.keys() - done),
            free_slots=slots,
        )
        agenda, chosen = agenda.pick(
            found, ready=ready, running=running, is_open=lambda t: t not in done, free_slots=slots
        )
        assert chosen == expected
        ready -= {*chosen}
        running += chosen
        if running:
            ended = running.pop(source.randrange(len(running)))
            done.add(ended)
            agenda = agenda.release(ended)


# --- simulate and bound ----------------------------------------------------------


@given(networks(), st.integers(1, 4))
def test_a_simulated_run_keeps_needs_exclusions_and_slots(found: Network, slots: int) -> None:
    times = schedule(found, slots=slots)
    _, makespan = scheduler.simulate(found, slots=slots)

    assert times.keys() == found.estimates.keys()
    assert max(end for _, end in times.values()) == pytest.approx(makespan)
    for task, (start, end) in times.items():
        assert all(times[on][1] <= start for on in found.before[task])
        for other in found.excluded[task]:
            assert end <= times[other][0] or times[other][1] <= start
        together = [t for t, (s, e) in times.items() if s <= start < e]
        assert len(together) <= slots


@given(networks(), st.integers(1, 4))
def test_no_run_beats_the_bound_and_none_is_slower_than_one_after_another(
    found: Network, slots: int
) -> None:
    _, makespan = scheduler.simulate(found, slots=slots)

    least = scheduler.bound(found, slots=slots)
    assert least <= makespan + 1e-6
    assert makespan <= sum(found.estimates.values()) + 1e-6


@given(networks(), st.integers(1, 3), st.randoms(use_true_random=False))
def test_no_order_of_starts_beats_the_bound(
    found: Network, slots: int, source: random.Random
) -> None:
    order = list(found.estimates)
    source.shuffle(order)
    shuffled = Network(
        estimates=found.estimates,
        before=found.before,
        hard=found.hard,
        excluded=found.excluded,
        priority={task: i for i, task in enumerate(order)},
    )
    _, makespan = scheduler.simulate(shuffled, slots=slots)

    assert scheduler.bound(found, slots=slots) <= makespan + 1e-6


@pytest.mark.parametrize("seed", range(5))
def test_64_tasks_take_at_most_a_tenth_longer_than_the_bound(seed: int) -> None:
    found = random_network(seed, tasks=64)
    _, makespan = scheduler.simulate(found, slots=8)

    assert makespan <= 1.10 * scheduler.bound(found, slots=8)


def test_an_empty_plan_takes_no_time() -> None:
    assert scheduler.simulate(network({}), slots=1) == ((), 0.0)
    assert scheduler.bound(network({}), slots=1) == 0.0
