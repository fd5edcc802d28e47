"""Restricts the plan of a run to the tasks that a further round works on."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace

from concertmaster import graph
from concertmaster.model import Plan, TaskState
from concertmaster.planning.estimates import predict_cost
from concertmaster.rounds.history import TaskHistory


def evidence_of(one: TaskHistory) -> str:
    """Return why the task did not land, for its next agent; "" if it is not at fault."""
    if not one.state.is_lost or one.state is TaskState.BLOCKED:
        return ""
    return "\n\n".join(text for text in (one.reason, one.evidence) if text)


def restrict(plan: Plan, tasks: Collection[str], *, evidence: Mapping[str, str]) -> Plan:
    """Return the plan for these tasks alone, each with its evidence."""
    kept = tuple(
        replace(task, evidence=evidence.get(task.id, "")) for task in plan.tasks if task.id in tasks
    )
    needs = tuple(need for need in plan.needs if {need.task, need.on} <= set(tasks))
    exclusions = tuple(one for one in plan.exclusions if set(one.tasks) <= set(tasks))
    links = [(need.task, need.on) for need in needs] + [one.tasks for one in exclusions]
    return replace(
        plan,
        tasks=kept,
        needs=needs,
        exclusions=exclusions,
        order=tuple(key for key in plan.order if key in tasks),
        shares=graph.components([task.id for task in kept], links),
        sequential_seconds=math.fsum(task.estimate_seconds for task in kept),
        predicted_cost_usd=predict_cost(kept),
    )
