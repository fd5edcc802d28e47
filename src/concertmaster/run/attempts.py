"""Computes how an attempt changes: start, next phase, finished phase, failed phase, end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from concertmaster import model
from concertmaster.commands import RunPhase
from concertmaster.events import PhaseFailed, PhaseFinished
from concertmaster.graph import Graph
from concertmaster.model import Built, Carried, Outcome, Plan, Repair, TaskState
from concertmaster.planning.learnt_footprints import ObservedPaths
from concertmaster.run import phases
from concertmaster.run.repairs import find_next_tip, repair_again
from concertmaster.run.state import RunState
from concertmaster.run.task_record import Attempt, TaskRecord
from concertmaster.settings.choices import Phase


def start_attempt(record: TaskRecord) -> TaskRecord:
    """Return the record with a further attempt, of which no phase is asked yet."""
    attempt = Attempt(number=len(record.attempts) + 1)
    if record.repair is not None:
        last = record.attempt or attempt  # the result of an earlier run has none
        attempt = replace(
            attempt,
            repair=record.repair,
            session=last.session,
            findings=last.findings,
            said=last.said,
            follow_ups=last.follow_ups,
            holds=(Phase.RESEARCH, Phase.DOCUMENT),
        )
    elif record.carried is not None:
        attempt = go_on_with(record.attempts[-1], attempt, record.carried)
    return replace(
        record,
        state=TaskState.RUNNING,
        fault=None,
        stopping=False,
        repair=None,
        carried=None,
        attempts=(*record.attempts, attempt),
    )


def go_on_with(last: Attempt, attempt: Attempt, carried: Carried) -> Attempt:
    """Return the new attempt with the work of the last one and what is known of it."""
    return replace(
        attempt,
        carried=carried,
        session=last.session,
        findings=last.findings,
        said=last.said,
        follow_ups=last.follow_ups,
        observed=ObservedPaths(planned=last.observed.planned),
        holds=carried.holds,
    )


def counts_as_attempt(attempt: Attempt) -> bool:
    """Return whether the attempt counts against the limit.

    Usage limits, cancellations, repairs and attempts that go on in the next one do not.
    """
    return attempt.repair is None and attempt.outcome not in (
        *phases.STOPS_THE_RUN,
        Outcome.CANCELLED,
        Outcome.YIELDED,
    )


def count_tries(record: TaskRecord) -> int:
    """Return the number of attempts; one that went on in the next counts with that one."""
    return sum(attempt.outcome is not Outcome.YIELDED for attempt in record.attempts)


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
        said=attempt.said if phase is Phase.DELIVER else "",
        repair=mended,
        carried=attempt.carried if phase is Phase.PREPARE else None,
        apart=state.network.excluded[record.task.id],
    )
    asked = replace(attempt, asked=phase, redo=False, repair=repair)
    return replace(record, attempts=(*record.attempts[:-1], asked)), command


def order_carried(attempt: Attempt) -> Repair | None:
    """Return the order to fit the work that goes on to its new base; None if there is no such work.

    It is known when the base is.
    """
    carried = attempt.carried
    if carried is None or not carried.head or not attempt.base:
        return None
    return Repair(
        base=carried.base,
        head=carried.head,
        reason="",
        evidence=carried.evidence,
        tip=attempt.base,
    )


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
        *state.tasks.in_order(required),
        *state.tasks.in_order(optional),
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


def finish_phase(
    record: TaskRecord, event: PhaseFinished, *, sources: Mapping[str, Attempt | None]
) -> TaskRecord:
    """Return the record with the phase's result as checkpoint; the last phase ends the attempt.

    `sources` maps the tasks of `built_on` to their attempts.
    """
    attempt = record.attempts[-1]
    is_new = event.checkpoint not in ("", attempt.checkpoint)
    changed = is_new or attempt.interrupted_at != ""
    session = event.session if event.phase in phases.AGENTS_OWN else ""
    attempt = replace(
        attempt,
        asked=None,
        usages=(*attempt.usages, event.usage),
        holds=phases.finish(attempt.holds, event.phase, changed=changed),
        evidence="" if event.phase is Phase.IMPLEMENT else attempt.evidence,
        reason="",
        findings=event.findings if event.phase is Phase.RESEARCH else attempt.findings,
        # What mends a change says how, and not what the change is.
        said=((attempt.repair or attempt.carried) and attempt.said) or event.said or attempt.said,
        review=event.findings if event.phase is Phase.REVIEW else attempt.review,
        follow_ups=(*attempt.follow_ups, *event.follow_ups),
        checkpoint=event.checkpoint or attempt.checkpoint,
        interrupted_at="",
        session=session or attempt.session,
        no_op=event.no_op,
        sensitive=event.sensitive,
        classes=event.classes,
        notes=(*attempt.notes, *event.notes),
    )
    if event.phase is Phase.PREPARE:
        attempt = replace(
            attempt,
            base=event.base or event.checkpoint,
            folder=event.folder,
            built_on=_closure(event.built_on, sources),
            started_at=event.at - event.seconds,
        )
    if event.phase is not Phase.DELIVER and not event.no_op:
        return replace(record, attempts=(*record.attempts[:-1], attempt))
    ended = replace(attempt, outcome=Outcome.SUCCEEDED, reason=event.no_op)
    return replace(
        record,
        state=TaskState.SUCCEEDED,
        reason=event.no_op,
        fault=None,
        attempts=(*record.attempts[:-1], ended),
    )


def _closure(merged: Iterable[Built], sources: Mapping[str, Attempt | None]) -> tuple[Built, ...]:
    found: dict[str, Built] = {}
    for built in merged:
        source = sources[built.task]
        for below in source.built_on if source else ():
            found[below.task] = below
        found[built.task] = built
    return tuple(found.values())


def fail_phase(record: TaskRecord, event: PhaseFailed, *, plan: Plan) -> TaskRecord:
    """Return the record after a failed phase.

    The work is sent back to the agent at most `fix_attempts` times for each phase. Else the
    attempt ends, and the task waits for another one if fewer than `attempts` count.
    """
    attempt = record.attempts[-1]
    attempt = replace(attempt, lost_usage=attempt.lost_usage + event.usage)
    if event.evidence and attempt.returned.count(event.phase) < plan.settings.fix_attempts:
        return _send_back(record, attempt, event)
    return _end_attempt(record, attempt, event, plan=plan)


def _send_back(record: TaskRecord, attempt: Attempt, event: PhaseFailed) -> TaskRecord:
    returned = replace(
        attempt,
        asked=None,
        holds=phases.send_back(attempt.holds),
        returned=(*attempt.returned, event.phase),
        checkpoint=event.saved or attempt.checkpoint,
        interrupted_at="",
        evidence=event.evidence,
        reason=event.reason,
        notes=(*attempt.notes, *event.notes),
    )
    return replace(record, attempts=(*record.attempts[:-1], returned), stopping=False)


def pause_attempt(record: TaskRecord, event: PhaseFailed) -> TaskRecord:
    """Return the record after a usage limit; the phase is asked again where it stopped."""
    attempt = record.attempts[-1]
    session = event.session if event.phase in phases.AGENTS_OWN else ""
    saved = event.saved if event.phase is not Phase.RESEARCH else ""  # it may change nothing
    paused = replace(
        attempt,
        asked=None,
        checkpoint=saved or attempt.checkpoint,
        interrupted_at=attempt.interrupted_at or (attempt.checkpoint if saved else ""),
        session=session or attempt.session,
        notes=(*attempt.notes, *event.notes),
        lost_usage=attempt.lost_usage + event.usage,
    )
    return replace(record, attempts=(*record.attempts[:-1], paused), stopping=False)


def _end_attempt(
    record: TaskRecord, attempt: Attempt, event: PhaseFailed, *, plan: Plan
) -> TaskRecord:
    # The failure that sent the work back says more than the failure to fix it.
    reason = f"{attempt.reason}; then {event.reason}" if attempt.reason else event.reason
    ended = replace(
        attempt,
        asked=None,
        outcome=event.outcome,
        reason=reason,
        saved=event.saved,
        notes=(*attempt.notes, *event.notes),
        folder_stays=event.unsaved,
        resumes_at=event.resumes_at,
        machine=event.machine,
        started_at=attempt.started_at or event.at - event.seconds,
    )
    attempts = (*record.attempts[:-1], ended)
    if ended.repair is not None:
        return repair_again(plan, replace(record, attempts=attempts, stopping=False), ended)
    spent = sum(1 for one in attempts if counts_as_attempt(one))
    again = event.outcome in phases.WORTH_ANOTHER_ATTEMPT and spent < plan.settings.attempts
    waits = again or not counts_as_attempt(ended)
    return replace(
        record,
        state=TaskState.WAITING if waits else TaskState.FAILED,
        reason=reason,
        attempts=attempts,
        carried=None if counts_as_attempt(ended) else ended.carried,
        stopping=False,
    )


def abandon_attempt(record: TaskRecord, end: TaskState, *, reason: str) -> TaskRecord:
    """Return the record of a task that ends between two phases.

    The checkpoint holds the work. Only the changes of a phase in which a process died are nowhere
    but in the folder, so that folder stays.
    """
    attempts = tuple(a if a.outcome else _cancelled(a, reason) for a in record.attempts)
    return replace(record, state=end, reason=reason, attempts=attempts)


def _cancelled(attempt: Attempt, reason: str) -> Attempt:
    stays = attempt.redo and attempt.folder != ""
    return replace(attempt, outcome=Outcome.CANCELLED, reason=reason, folder_stays=stays)


def forget_asking(record: TaskRecord) -> TaskRecord:
    """Return the record after a crash: asked phases have no answer and are asked again."""
    attempts = tuple(
        replace(a, asked=None, redo=a.redo or a.asked is not None, folder_released=False)
        for a in record.attempts
    )
    return replace(record, attempts=attempts, stopping=False)
