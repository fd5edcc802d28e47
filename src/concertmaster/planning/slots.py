"""Chooses the number of slots of a plan where the user names none."""

from __future__ import annotations

import math
from dataclasses import dataclass

from concertmaster.planning import scheduler
from concertmaster.planning.scheduler import Network
from concertmaster.sandbox.resource_limits import AGENT_BYTES
from concertmaster.text.display import count, size

MOST_SLOTS = 8
SLOTS_PER_CORE = 2  # agents wait for their model most of the time
SLACK = 1.01  # estimates are too rough for a smaller difference of makespans to matter


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotCapacity:
    """The resources that a machine has for agents.

    `memory_bytes` is the free memory, None if it is unknown.
    """

    cores: int
    memory_bytes: int | None = None


def choose_slots(network: Network, capacity: SlotCapacity) -> tuple[int, str]:
    """Return the number of slots and the reason for it in words.

    The number is the smallest with which the tasks end as soon as with all slots that the machine
    has room for, and at least 1.
    """
    most, reason = _limit(capacity)
    number = _fewest(network, most)
    if number < most:
        is_all = number == len(network.estimates)
        at_once = f"no more than {count(number, 'task')} can run at once"
        reason = at_once if is_all else "with more the tasks would not end sooner"
    return number, f"{count(number, 'slot')}: {reason}"


def _limit(capacity: SlotCapacity) -> tuple[int, str]:
    """Return the number of slots that the machine has room for, and what limits it."""
    each = f"{SLOTS_PER_CORE} for each core"
    limits = [(SLOTS_PER_CORE * capacity.cores, each)]
    if (memory := capacity.memory_bytes) is not None:
        limits.append((memory // AGENT_BYTES, f"{size(memory)} of memory is free"))
    limits.append((MOST_SLOTS, "more only where --parallel says so"))
    number, reason = min(limits, key=lambda limit: limit[0])
    return max(1, number), reason


def _fewest(network: Network, most: int) -> int:
    work = math.fsum(network.estimates.values())
    spans: dict[int, float] = {}
    shortest = math.inf
    for number in range(most, 0, -1):
        if work / number > SLACK * shortest:  # a lower bound, which grows with fewer slots
            break
        _, spans[number] = scheduler.simulate(network, slots=number)
        shortest = min(shortest, spans[number])
    return min(number for number, span in spans.items() if span <= SLACK * shortest)
