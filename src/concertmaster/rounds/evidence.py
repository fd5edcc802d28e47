"""Tells the next agent of a task why its last result did not land."""

from __future__ import annotations

from dataclasses import replace

from concertmaster.model import Plan, TaskState
from concertmaster.rounds.history import History, TaskHistory


def add_evidence(plan: Plan, history: History) -> Plan:
    """Return the plan whose tasks have the evidence of their last round."""
    tasks = (replace(one, evidence=evidence_of(history.task(one.id))) for one in plan.tasks)
    return replace(plan, tasks=tuple(tasks))


def evidence_of(one: TaskHistory) -> str:
    """Return why the task did not land, for its next agent; "" if it is not at fault."""
    if not one.state.is_lost or one.state is TaskState.BLOCKED:
        return ""
    return "\n\n".join(text for text in (one.reason, one.evidence) if text)
