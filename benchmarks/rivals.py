"""Computes the makespans of other schedules, without overhead, and the bound of all schedules."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache

from trial import Work

Tasks = Mapping[str, Work]


def critical_path(tasks: Tasks) -> tuple[float, int]:
    """Return the seconds and the number of tasks of the heaviest chain of needs."""

    @cache
    def heaviest(name: str) -> tuple[float, int]:
        seconds, count = max(map(heaviest, tasks[name].needs), default=(0.0, 0))
        return seconds + tasks[name].seconds, count + 1

    return max(map(heaviest, tasks))


def lower_bound(tasks: Tasks, slots: int) -> float:
    """Return the largest of critical path, work per slot, and work on the most wanted file."""
    works = tasks.values()
    files = {file for work in works for file in work.touches}
    wanted = (sum(work.seconds for work in works if file in work.touches) for file in files)
    return max(
        critical_path(tasks)[0],
        sum(work.seconds for work in works) / slots,
        max(wanted, default=0.0),
    )


def first_in_first_out(tasks: Tasks, slots: int) -> float:
    """Return the makespan if a free slot takes the first task of the list that may start."""
    waiting, done = list(tasks.values()), set[str]()
    running: list[tuple[float, str]] = []
    now = 0.0
    while waiting or running:
        busy = {file for _, name in running for file in tasks[name].touches}
        for work in list(waiting):
            may_start = done.issuperset(work.needs) and busy.isdisjoint(work.touches)
            if len(running) < slots and may_start:
                waiting.remove(work)
                heapq.heappush(running, (now + work.seconds, work.name))
                busy.update(work.touches)
        now, name = heapq.heappop(running)
        done.add(name)
    return now


def waves(tasks: Tasks, slots: int) -> float:
    """Return the makespan of waves: tasks that can run together, the next wave after their end."""
    made: list[dict[str, Work]] = []
    numbers: dict[str, int] = {}
    for work in _needs_first(tasks):
        number = max((numbers[need] + 1 for need in work.needs), default=0)
        while number < len(made) and _meets(work, made[number].values()):
            number += 1
        if number == len(made):
            made.append({})
        made[number][work.name] = replace(work, needs=())
        numbers[work.name] = number
    return sum(first_in_first_out(wave, slots) for wave in made)


def _meets(work: Work, others: Iterable[Work]) -> bool:
    return not all(set(work.touches).isdisjoint(other.touches) for other in others)


def _needs_first(tasks: Tasks) -> Iterable[Work]:
    placed: dict[str, Work] = {}
    while len(placed) < len(tasks):
        ready = [w for w in tasks.values() if placed.keys() >= set(w.needs)]
        placed |= {work.name: work for work in ready}
    return placed.values()
