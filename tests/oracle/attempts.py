"""Computes the next command of an attempt by walking every task of the run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from concertmaster import model
from concertmaster.commands import RunPhase
from concertmaster.graph import Graph
from concertmaster.model import Built
from concertmaster.run import phases
from concertmaster.run.attempts import counts_as_attempt, order_carried
from concertmaster.run.repairs import find_next_tip
from concertmaster.run.task_record import TaskRecord
from concertmaster.settings.choices import Phase
from tests.oracle.state import RunState


def next_command(record: TaskRecord, state: RunState) -> tuple[TaskRecord, RunPhase]:
    """Return the record with the next phase of its running attempt asked, and the command."""
    attempt = record.attempts[-1]
    chosen = model.select(record.task.phases or state.plan.settings.phases)
    phase = phases.next_phase(chosen, holds=attempt.holds, no_op=bool(attempt.no_op))
    assert phase is not None, "an attempt without a next phase has ended"
    wanted: tuple[Built, ...] = ()
    required, repair = frozenset[str](), attempt.repair
    if repair is not None and phase is Phase.PREPARE:
        repair = replace(repair, tip=find_next_tip(state.landing))
    elif phase is Phase.PREPARE:
        wanted, required = _wanted(state, record)
    mended = repair or order_carried(attempt)
    command = RunPhase(
        task=record.task,
        attempt=attempt.number,
        phase=phase,
        redo=attempt.redo,
        wanted=wanted,
        required=required,
        base=attempt.base,
        checkpoint=attempt.checkpoint,
        interrupted_at=attempt.interrupted_at,
        folder=attempt.folder,
        session=attempt.session if phase in phases.AGENTS_OWN else "",
        evidence=attempt.evidence or ("" if mended else _earlier_evidence(record)),
        findings=attempt.findings,
        repair=mended,
        carried=attempt.carried if phase is Phase.PREPARE else None,
        apart=state.network.excluded[record.task.id],
    )
    asked = replace(attempt, asked=phase, redo=False, repair=repair)
    return replace(record, attempts=(*record.attempts[:-1], asked)), command


def _earlier_evidence(record: TaskRecord) -> str:
    """Return the reason of the last attempt that counts, or the evidence of an earlier round."""
    reasons = (one.reason for one in reversed(record.attempts[:-1]) if counts_as_attempt(one))
    return next(reasons, record.task.evidence)


def _wanted(state: RunState, record: TaskRecord) -> tuple[tuple[Built, ...], frozenset[str]]:
    """Return the changes that a base shall contain, and which of their tasks are required.

    They are the changes of needs and of excluded tasks that came first, in the plan's order.
    A change on which another wanted change is built is left out, because it comes with that one;
    but a required change never comes only with one that may be dropped.
    """
    key, network = record.task.id, state.network
    hard = find_wanted_changes(state, key, network.hard)
    near = find_wanted_changes(state, key, network.before) | network.excluded[key]
    others = {other for other in near if state.tasks[other].has_change}
    required = hard - _inherited(state, hard)
    optional = others - hard - _inherited(state, others | hard)
    wanted = [
        *(k for k in state.tasks if k in required),
        *(k for k in state.tasks if k in optional),
    ]
    return tuple(Built(task=k, head=state.tasks[k].head) for k in wanted), required


def find_wanted_changes(
    state: RunState, task: str, before: Graph, *, awaited: bool = False
) -> frozenset[str]:
    """Return the nearest tasks before `task` that have a change, or, if `awaited`, may get one.

    The search goes on behind a task without a change.
    """
    found, seen, waiting = set[str](), set[str](), [task]
    while waiting:
        for other in before[waiting.pop()] - seen:
            seen.add(other)
            record = state.tasks[other]
            if record.head or (awaited and not record.state.is_over):
                found.add(other)
            else:
                waiting.append(other)
    return frozenset(found)


def _inherited(state: RunState, tasks: Iterable[str]) -> frozenset[str]:
    attempts = (state.tasks[task].attempt for task in tasks)
    return frozenset(built.task for one in attempts if one for built in one.built_on)
