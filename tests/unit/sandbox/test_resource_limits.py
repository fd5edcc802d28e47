"""New agents wait while memory or disk space is short."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.model import Shortage
from concertmaster.sandbox.resource_limits import (
    LIMITS,
    FreeResources,
    ResourceLimits,
    judge_resources,
)

GIB = 1 << 30
DISK, MEMORY = Shortage.DISK, Shortage.MEMORY


def free(*, memory: float = 9.0, disk: float = 9.0) -> FreeResources:
    """Return free resources, given in GiB."""
    return FreeResources(
        memory_bytes=int(memory * GIB), disk_bytes=int(disk * GIB), folder="/cache"
    )


@pytest.mark.parametrize(
    ("room", "before", "short"),
    [
        (free(), None, None),
        (free(memory=0.76), None, None),
        (free(memory=0.74), None, MEMORY),
        (free(memory=0.99), MEMORY, MEMORY),
        (free(memory=1.0), MEMORY, None),
        (free(disk=1.0), None, None),
        (free(disk=0.99), None, DISK),
        (free(disk=1.49), DISK, DISK),
        (free(disk=1.5), DISK, None),
        (free(memory=0, disk=0), None, DISK),
        (free(memory=0, disk=0), MEMORY, DISK),
        (free(memory=0, disk=2.0), DISK, MEMORY),
        (free(memory=0.9, disk=2.0), DISK, None),
        (free(memory=2.0, disk=1.2), MEMORY, None),
    ],
)
def test_new_agents_wait_below_the_least_until_there_is_enough(
    room: FreeResources, before: Shortage | None, short: Shortage | None
) -> None:
    strain = judge_resources(room, before)

    assert strain.short is short
    assert bool(strain.reason) is (short is not None)


@pytest.mark.parametrize(
    ("room", "words"),
    [
        (free(memory=0.45), "0.4 GiB of memory is free, new agents wait until it is 1.0 GiB"),
        (
            free(disk=0),
            "0.0 GiB of the disk of /cache is free, new agents wait until it is 1.5 GiB",
        ),
    ],
)
def test_the_reason_says_what_is_there_and_what_is_waited_for(
    room: FreeResources, words: str
) -> None:
    assert judge_resources(room).reason == words


amounts = st.integers(0, 4 * GIB)
rooms = st.builds(FreeResources, memory_bytes=amounts, disk_bytes=amounts, folder=st.just("/cache"))


@given(rooms, st.sampled_from([None, *Shortage]), amounts, amounts)
def test_more_room_never_makes_short(
    room: FreeResources, before: Shortage | None, memory: int, disk: int
) -> None:
    roomier = FreeResources(
        memory_bytes=room.memory_bytes + memory,
        disk_bytes=room.disk_bytes + disk,
        folder=room.folder,
    )

    if judge_resources(room, before).short is None:
        assert judge_resources(roomier, before).short is None


@given(rooms, st.sampled_from([None, *Shortage]))
def test_the_same_room_gives_the_same_answer_however_often_it_is_measured(
    room: FreeResources, before: Shortage | None
) -> None:
    strain = judge_resources(room, before)

    assert judge_resources(room, strain.short) == strain


@given(st.lists(amounts, max_size=30), st.sampled_from(["memory_bytes", "disk_bytes"]))
def test_between_two_changes_more_comes_and_goes_than_noise(
    measured: list[int], resource: str
) -> None:
    limits = ResourceLimits()
    gap = {
        "memory_bytes": limits.enough_memory_bytes - limits.least_memory_bytes,
        "disk_bytes": limits.enough_disk_bytes - limits.least_disk_bytes,
    }[resource]
    plenty = {"memory_bytes": 9 * GIB, "disk_bytes": 9 * GIB}
    short: Shortage | None = None
    changed_at: list[int] = []
    for amount in measured:
        room = FreeResources(**{**plenty, resource: amount}, folder="/cache")
        now = judge_resources(room, short).short
        if now is not short:
            changed_at.append(amount)
        short = now

    assert all(abs(one - other) >= gap for one, other in pairwise(changed_at))


def test_there_is_a_gap_between_too_little_and_enough() -> None:
    assert LIMITS.least_memory_bytes < LIMITS.enough_memory_bytes
    assert LIMITS.least_disk_bytes < LIMITS.enough_disk_bytes
