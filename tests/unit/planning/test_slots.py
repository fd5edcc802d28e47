"""The number of slots of `--parallel auto`, and the reasons for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.model import Plan
from concertmaster.planning import scheduler
from concertmaster.planning.planner import make_plan
from concertmaster.planning.scheduler import Network
from concertmaster.planning.slots import MOST_SLOTS, SLACK, SlotCapacity, choose_slots
from concertmaster.sandbox.resource_limits import AGENT_BYTES
from tests.unit.planning.test_planner import candidate, draft
from tests.unit.planning.test_scheduler import network, networks, random_network

GIB = 1 << 30
LARGE = SlotCapacity(cores=32, memory_bytes=64 * GIB)


def equal(number: int) -> Network:
    return network({f"t{i}": 60.0 for i in range(number)})


CHAIN = network({"a": 60.0, "b": 60.0, "c": 60.0}, after=[("b", "a"), ("c", "b")])
APART = network({"a": 60.0, "b": 60.0}, apart=[("a", "b")])
UNEVEN = network({"long": 600.0, "b": 60.0, "c": 60.0, "d": 60.0})
SOONER = "with more the tasks would not end sooner"


@pytest.mark.parametrize(
    ("tasks", "capacity", "slots", "reason"),
    [
        (equal(1), LARGE, 1, "no more than 1 task can run at once"),
        (equal(2), LARGE, 2, "no more than 2 tasks can run at once"),
        (equal(16), LARGE, MOST_SLOTS, "more only where --parallel says so"),
        (equal(16), SlotCapacity(cores=2), 4, "2 for each core"),
        (equal(16), SlotCapacity(cores=1), 2, "2 for each core"),
        (
            equal(16),
            SlotCapacity(cores=8, memory_bytes=int(2.5 * GIB)),
            3,
            "2.5 GiB of memory is free",
        ),
        (equal(16), SlotCapacity(cores=8, memory_bytes=0), 1, "0.0 GiB of memory is free"),
        (CHAIN, LARGE, 1, SOONER),
        (APART, LARGE, 1, SOONER),
        (UNEVEN, LARGE, 2, SOONER),
        (equal(9), SlotCapacity(cores=4), 5, SOONER),  # two rounds, as in eight slots
        (network({}), LARGE, 1, SOONER),
    ],
)
def test_the_slots_are_as_many_as_are_of_use_and_have_room(
    tasks: Network, capacity: SlotCapacity, slots: int, reason: str
) -> None:
    word = "slot" if slots == 1 else "slots"

    assert choose_slots(tasks, capacity) == (slots, f"{slots} {word}: {reason}")


capacities = st.builds(
    SlotCapacity,
    cores=st.integers(1, 16),
    memory_bytes=st.one_of(st.none(), st.integers(0, 16 * GIB)),
)


def room_of(capacity: SlotCapacity) -> int:
    memory = capacity.memory_bytes
    by_memory = MOST_SLOTS if memory is None else memory // AGENT_BYTES
    return max(1, min(MOST_SLOTS, 2 * capacity.cores, by_memory))


@given(networks(), capacities)
def test_fewer_slots_would_be_slower_and_more_not_faster(
    tasks: Network, capacity: SlotCapacity
) -> None:
    slots, _ = choose_slots(tasks, capacity)

    spans = {n: scheduler.simulate(tasks, slots=n)[1] for n in range(1, room_of(capacity) + 1)}
    assert slots in spans
    assert spans[slots] <= SLACK * min(spans.values())
    assert all(spans[n] > SLACK * min(spans.values()) for n in range(1, slots))


def test_a_choice_among_many_tasks_plays_each_number_of_slots_once_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    played: list[int] = []
    simulate = scheduler.simulate

    def play(network: Network, *, slots: int) -> tuple[object, float]:
        played.append(slots)
        return simulate(network, slots=slots)

    monkeypatch.setattr(scheduler, "simulate", play)
    choose_slots(random_network(1, tasks=256), LARGE)

    assert 0 < len(played) == len({*played}) <= MOST_SLOTS


def plan(*names: str, slots: int = 1, capacity: SlotCapacity | None = None) -> Plan:
    return make_plan(
        draft(slots=slots, notes=("a note",)),
        [candidate(f"{name}.md", estimate=60.0) for name in names],
        capacity=capacity,
    )


def test_a_plan_says_which_slots_were_chosen_and_is_made_for_them() -> None:
    found = plan("a", "b", "c", "d", capacity=SlotCapacity(cores=1))

    assert found.slots == 2
    assert found.makespan_seconds == 120.0
    assert found.lower_bound_seconds == 120.0
    assert found.notes == ("a note", "2 slots: 2 for each core")


def test_a_number_that_the_user_names_is_taken_as_it_is() -> None:
    found = plan("a", slots=99)

    assert (found.slots, found.notes) == (99, ("a note",))
