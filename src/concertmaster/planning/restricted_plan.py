"""Restricts a plan to some of its tasks."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace

from concertmaster import graph
from concertmaster.model import Plan
from concertmaster.planning.estimates import predict_cost


def restrict(plan: Plan, tasks: Collection[str]) -> Plan:
    """Return the plan of these tasks alone; its shares are their components."""
    mine = frozenset(tasks)
    kept = tuple(task for task in plan.tasks if task.id in mine)
    needs = tuple(need for need in plan.needs if mine.issuperset((need.task, need.on)))
    exclusions = tuple(one for one in plan.exclusions if mine.issuperset(one.tasks))
    links = [(need.task, need.on) for need in needs] + [one.tasks for one in exclusions]
    return replace(
        plan,
        tasks=kept,
        needs=needs,
        exclusions=exclusions,
        order=tuple(task for task in plan.order if task in mine),
        shares=graph.components([task.id for task in kept], links),
        sequential_seconds=math.fsum(task.estimate_seconds for task in kept),
        predicted_cost_usd=predict_cost(kept),
    )
