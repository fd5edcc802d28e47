"""How many slots a plan gets where the user names no number."""

from __future__ import annotations

import math
from dataclasses import dataclass

from concertmaster.planning import scheduler
from concertmaster.planning.scheduler import Network
from concertmaster.sandbox.resources import AGENT_BYTES
from concertmaster.text.display import count, size

MOST_SLOTS = 8
SLOTS_PER_CORE = 2  # agents wait for their model most of the time
SLACK = 1.01  # estimates are not so good that a shorter makespan than this would mean anything


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotCapacity:
    """What a machine has for agents; the memory that is free is None where nobody could tell."""

    cores: int
    memory_bytes: int | None = None


def choose_slots(network: Network, capacity: SlotCapacity) -> tuple[int, str]:
    """The fewest slots with which the tasks end as soon as with all that the machine has room
    for, at least 1; and in words why it is that number."""
    most, reason = _limit(capacity)
    number = _fewest(network, most)
    if number < most:
        is_all = number == len(network.estimates)
        at_once = f"no more than {count(number, 'task')} can run at once"
        reason = at_once if is_all else "with more the tasks would not end sooner"
    return number, f"{count(number, 'slot')}: {reason}"


def _limit(capacity: SlotCapacity) -> tuple[int, str]:
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
        if work / number > SLACK * shortest:  # no schedule is shorter, and fewer slots are worse
            break
        _, spans[number] = scheduler.simulate(network, slots=number)
        shortest = min(shortest, spans[number])
    return min(number for number, span in spans.items() if span <= SLACK * shortest)
