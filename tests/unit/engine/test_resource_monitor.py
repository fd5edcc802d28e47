"""Tests the monitor: it posts changes only, and blocks nobody."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from concertmaster.commands import MeasureRoom
from concertmaster.engine.resource_monitor import ResourceMonitor
from concertmaster.events import Throttled
from concertmaster.model import Shortage
from concertmaster.sandbox.resource_limits import FreeResources

GIB = 1 << 30
DISK, MEMORY = Shortage.DISK, Shortage.MEMORY


def free(*, memory: float = 9.0, disk: float = 9.0) -> FreeResources:
    """Return free resources from sizes in GiB."""
    return FreeResources(
        memory_bytes=int(memory * GIB), disk_bytes=int(disk * GIB), folder="/cache"
    )


class Measured:
    """A sequence of measurements; None is one that fails."""

    def __init__(self, *values: FreeResources | None) -> None:
        self.values: Iterator[FreeResources | None] = iter(values)

    def __call__(self) -> FreeResources:
        value = next(self.values)
        if value is None:
            raise OSError("the disk has gone")
        return value


def told_by(*values: FreeResources | None, short: Shortage | None = None) -> list[Shortage | None]:
    told: list[Throttled] = []
    monitor = ResourceMonitor(Measured(*values), told.append, seconds=0.0, short=short)
    for _ in values:
        monitor.look()
    return [event.short for event in told]


@pytest.mark.parametrize(
    ("values", "short", "told"),
    [
        ([free()], None, []),
        ([free(memory=0.5), free(memory=0.4), free(memory=0.9)], None, [MEMORY]),
        ([free(memory=0.5), free(), free(memory=0.5)], None, [MEMORY, None, MEMORY]),
        ([free(memory=0.5), free(memory=0.5, disk=0.5), free()], None, [MEMORY, DISK, None]),
        ([None, free(memory=0.5), None, free(memory=0.5), free()], None, [MEMORY, None]),
        ([free(disk=0.5)], DISK, []),
        ([free()], DISK, [None]),
    ],
)
def test_only_a_change_is_told(
    values: list[FreeResources | None], short: Shortage | None, told: list[Shortage | None]
) -> None:
    assert told_by(*values, short=short) == told


@pytest.mark.parametrize(
    ("value", "short"),
    [(free(disk=0.5), DISK), (free(disk=1.2), None), (free(), None), (None, None)],
    ids=["full", "enough to begin with", "room", "not to be measured"],
)
def test_who_asks_gets_an_answer_of_its_own(
    value: FreeResources | None, short: Shortage | None
) -> None:
    told: list[Throttled] = []
    monitor = ResourceMonitor(Measured(value), told.append, seconds=0.0, short=DISK)

    monitor.answer(MeasureRoom())

    assert [(event.short, event.is_answer) for event in told] == [(short, True)]
    assert bool(told[0].reason) is (short is not None)


def test_it_looks_again_and_again_until_it_is_over() -> None:
    told: list[Throttled] = []
    enough = threading.Event()

    def post(event: Throttled) -> None:
        told.append(event)
        if len(told) == 6:
            enough.set()

    flapping = iter(lambda: free(memory=0.5 if len(told) % 2 == 0 else 9.0), None)
    with ResourceMonitor(lambda: next(flapping), post, seconds=0.0):
        assert enough.wait()

    assert [event.short for event in told[:6]] == [MEMORY, None] * 3


def test_neither_its_beginning_nor_its_end_waits_for_a_measurement_that_hangs() -> None:
    hangs, lets_go = threading.Event(), threading.Event()

    def measure() -> FreeResources:
        hangs.set()
        lets_go.wait()
        return free()

    others = threading.enumerate()
    with ResourceMonitor(measure, lambda event: None, seconds=0.0):
        assert hangs.wait()
    (thread,) = [one for one in threading.enumerate() if one not in others]
    assert thread.daemon  # nor does the end of the program
    lets_go.set()
    thread.join()
    assert not thread.is_alive()
