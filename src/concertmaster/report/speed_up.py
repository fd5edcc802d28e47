"""Compares the time of a run with the time that its tasks take with one slot."""

from __future__ import annotations

import math
from dataclasses import dataclass

from concertmaster.planning.estimates import has_worked
from concertmaster.run.state import RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedUp:
    """A run compared with one slot: `sequential_seconds` are `times` as long as the run.

    `basis` is where the seconds come from.
    """

    times: float
    sequential_seconds: float
    basis: str


def measure_speed_up(state: RunState, *, wall_seconds: float) -> SpeedUp | None:
    """Return the speed-up of an ended run with several slots, None if nothing tells it.

    Only tasks that ended well count, and past runs with one slot have to tell the time of each.
    The time of the others stays in the time of the run, so the speed-up is no less than told.
    """
    worked = [one for one in state.tasks.values() if has_worked(one.state, head=one.head)]
    alone = [one.task.alone_seconds for one in worked]
    known = [seconds for seconds in alone if seconds is not None]
    if not (state.finished and known and wall_seconds) or state.plan.slots == 1:
        return None
    if len(known) < len(alone):
        return None
    total = math.fsum(known)
    return SpeedUp(
        times=total / wall_seconds,
        sequential_seconds=total,
        basis="past runs with one slot",
    )
