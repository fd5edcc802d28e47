"""The life of an attempt: start, next phase, finished phase, failed phase."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from concertmaster import model
from concertmaster.commands import RunPhase
from concertmaster.events import PhaseFailed, PhaseFinished
from concertmaster.graph import Graph
from concertmaster.model import Built, Outcome, Phase, TaskState
from concertmaster.run import phases
from concertmaster.run.state import Attempt, RunState, TaskRecord


def start_attempt(record: TaskRecord) -> TaskRecord:
    """A further attempt, with nothing asked yet."""
    attempt = Attempt(number=len(record.attempts) + 1)
    return replace(
        record,
        state=TaskState.RUNNING,
        stopping=False,
        attempts=(*record.attempts, attempt),
    )


def counts_as_attempt(attempt: Attempt) -> bool:
    """A limit or a cancelled phase spends no attempt."""
    return attempt.outcome not in (*phases.STOPS_THE_RUN, Outcome.CANCELLED)


def next_command(record: TaskRecord, state: RunState) -> tuple[TaskRecord, RunPhase]:
    """Ask for the next phase of the running attempt."""
    attempt = record.attempts[-1]
    chosen = model.select(record.task.phases or state.plan.settings.phases)
    phase = phases.next_phase(chosen, holds=attempt.holds, no_op=bool(attempt.no_op))
    assert phase is not None, "an attempt without a next phase has ended"
    wanted, required = _wanted(state, record) if phase is Phase.PREPARE else ((), frozenset())
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
        evidence=attempt.evidence or _earlier_evidence(record),
        findings=attempt.findings,
    )
    asked = replace(attempt, asked=phase, redo=False)
    return replace(record, attempts=(*record.attempts[:-1], asked)), command


def _earlier_evidence(record: TaskRecord) -> str:
    """Why the attempt before this one failed, or what an earlier round had against it."""
    reasons = (one.reason for one in reversed(record.attempts[:-1]) if counts_as_attempt(one))
    return next(reasons, record.task.evidence)


def _wanted(state: RunState, record: TaskRecord) -> tuple[tuple[Built, ...], frozenset[str]]:
    """The changes that a base shall contain: of needs, and of excluded tasks that came first.

    What another wanted change is itself built on comes with that one; but a required change never
    comes only with one that may be dropped.
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


def find_wanted_changes(state: RunState, task: str, before: Graph) -> frozenset[str]:
    """The nearest tasks before `task` that have a change; one without passes on its own."""
    found, seen, waiting = set[str](), set[str](), [task]
    while waiting:
        for other in before[waiting.pop()] - seen:
            seen.add(other)
            if state.tasks[other].head:
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
    """Take the phase's evidence as the attempt's checkpoint; after the last phase it succeeded."""
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
        follow_ups=(*attempt.follow_ups, *event.follow_ups),
        checkpoint=event.checkpoint or attempt.checkpoint,
        interrupted_at="",
        session=session or attempt.session,
        no_op=event.no_op,
        sensitive=event.sensitive,
        notes=(*attempt.notes, *event.notes),
    )
    if event.phase is Phase.PREPARE:
        attempt = replace(
            attempt,
            base=event.checkpoint,
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


def fail_phase(
    record: TaskRecord, event: PhaseFailed, *, limit: int, fix_attempts: int
) -> TaskRecord:
    """The work goes back to the agent while that may help; else the attempt is over, and the task
    waits for another one while that may help."""
    attempt = record.attempts[-1]
    attempt = replace(attempt, lost_usage=attempt.lost_usage + event.usage)
    if event.evidence and attempt.returned.count(event.phase) < fix_attempts:
        return _send_back(record, attempt, event)
    return _end_attempt(record, attempt, event, limit=limit)


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
    """The phase met a usage limit: it is asked again when that has ended, where it stopped."""
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
    record: TaskRecord, attempt: Attempt, event: PhaseFailed, *, limit: int
) -> TaskRecord:
    # What sent the work back tells more than that the agent could not mend it.
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
        started_at=attempt.started_at or event.at - event.seconds,
    )
    attempts = (*record.attempts[:-1], ended)
    spent = sum(1 for one in attempts if counts_as_attempt(one))
    again = event.outcome in phases.WORTH_ANOTHER_ATTEMPT and spent < limit
    waits = again or not counts_as_attempt(ended)
    return replace(
        record,
        state=TaskState.WAITING if waits else TaskState.FAILED,
        reason=reason,
        attempts=attempts,
        stopping=False,
    )


def abandon_attempt(record: TaskRecord, end: TaskState, *, reason: str) -> TaskRecord:
    """The task ends between two phases. Its checkpoint holds the work; only what a process left
    half done when it died is nowhere but in the folder."""
    attempts = tuple(a if a.outcome else _cancelled(a, reason) for a in record.attempts)
    return replace(record, state=end, reason=reason, attempts=attempts)


def _cancelled(attempt: Attempt, reason: str) -> Attempt:
    stays = attempt.redo and attempt.folder != ""
    return replace(attempt, outcome=Outcome.CANCELLED, reason=reason, folder_stays=stays)


def forget_asking(record: TaskRecord) -> TaskRecord:
    """After a crash: whatever was asked has no answer and is asked again."""
    attempts = tuple(
        replace(a, asked=None, redo=a.redo or a.asked is not None, folder_released=False)
        for a in record.attempts
    )
    return replace(record, attempts=attempts, stopping=False)
