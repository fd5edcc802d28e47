"""Ranks all ready tasks anew for each choice: the simple form of `planning.scheduler`."""

from __future__ import annotations

import math

from concertmaster.planning.scheduler import NEIGHBOUR_WEIGHT, Network


def pick(
    network: Network,
    *,
    ready: frozenset[str],
    running: frozenset[str],
    open_tasks: frozenset[str],
    free_slots: int,
) -> tuple[str, ...]:
    """The tasks to start now, most urgent first; none is excluded with another or a running one.

    `open_tasks` are all that are not over yet: only they still load what they share.
    """
    chosen: list[str] = []
    for task in sorted(ready, key=lambda task: _urgency(network, task, open_tasks)):
        if len(chosen) == free_slots:
            break
        if not network.excluded[task] & (running | frozenset(chosen)):
            chosen.append(task)
    return tuple(chosen)


def _urgency(network: Network, task: str, open_tasks: frozenset[str]) -> tuple[float, float, str]:
    # A plain sum of a set depends on its order, which differs between processes; resume may not.
    shared = math.fsum(network.estimates[other] for other in network.excluded[task] & open_tasks)
    rank = network.critical[task] + NEIGHBOUR_WEIGHT * shared
    return (-network.priority[task], -rank, task)
