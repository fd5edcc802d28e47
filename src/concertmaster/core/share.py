"""How a plan is dealt out to the jobs of the matrix, and what one of them owns."""

from __future__ import annotations

import math
from dataclasses import replace

from concertmaster.core import scheduler
from concertmaster.core.model import LandingMode, Plan
from concertmaster.errors import UsageError


def deal(plan: Plan, *, jobs: int) -> Plan:
    """The plan with its components in at most `jobs` shares, the longest dealt out first.

    No more jobs than have their slots full: agents wait for their models most of the time.
    """
    jobs = max(1, min(jobs, math.ceil(len(plan.tasks) / plan.slots), len(plan.shares)))
    seconds = {task.id: task.estimate_seconds for task in plan.tasks}
    hands: list[list[str]] = [[] for _ in range(jobs)]
    for component in sorted(plan.shares, key=lambda one: -math.fsum(seconds[task] for task in one)):
        least = min(hands, key=lambda hand: math.fsum(seconds[task] for task in hand))
        least.extend(component)
    dealt = replace(plan, shares=tuple(tuple(hand) for hand in hands if hand))
    spans = [_makespan(dealt, number) for number in range(len(dealt.shares))]
    return replace(dealt, makespan_seconds=max(spans, default=0.0))


def _makespan(plan: Plan, number: int) -> float:
    share = take_share(plan, number, slots=plan.slots)
    return scheduler.simulate(scheduler.Network.from_plan(share), slots=plan.slots)[1]


def take_share(plan: Plan, number: int, *, slots: int) -> Plan:
    """The plan of one share, which makes results and lands nothing. Raises UsageError."""
    if not 0 <= number < len(plan.shares):
        raise UsageError(
            f"the plan has no share {number}",
            why=f"it has {len(plan.shares)} of them, counted from 0",
            next_step="give the work job `share: ${{ matrix.share }}` of the plan job's output",
        )
    mine = frozenset(plan.shares[number])
    return replace(
        plan,
        slots=slots,
        settings=replace(plan.settings, landing=LandingMode.NONE),
        tasks=tuple(task for task in plan.tasks if task.id in mine),
        needs=tuple(need for need in plan.needs if need.task in mine),
        exclusions=tuple(e for e in plan.exclusions if set(e.tasks) <= mine),
        order=tuple(task for task in plan.order if task in mine),
        shares=(plan.shares[number],),
        skipped=(),
    )
