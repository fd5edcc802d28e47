"""What one job of the matrix owns of a plan."""

from __future__ import annotations

from dataclasses import replace

from concertmaster.core.model import LandingMode, Plan
from concertmaster.errors import UsageError


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
