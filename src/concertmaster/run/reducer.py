"""Records events in the state of a run; decides nothing about what comes next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from concertmaster.events import (
    BaseChecked,
    BatchChecked,
    BatchLanded,
    CancelRequested,
    Event,
    FootprintObserved,
    MergeConflicted,
    PauseEnded,
    PhaseFailed,
    PhaseFinished,
    ResultReceived,
    RunFinished,
    RunResumed,
    RunStarted,
    StopRequested,
    TargetMoved,
    TaskCancelled,
    Throttled,
    WorkKept,
)
from concertmaster.landing import merge_queue
from concertmaster.landing.fault import Fault, LandingFault
from concertmaster.landing.merge_queue import PendingStep
from concertmaster.model import Outcome, Shortage, TaskState
from concertmaster.run import phases
from concertmaster.run.attempts import fail_phase, finish_phase, forget_asking, pause_attempt
from concertmaster.run.cancellations import note_cancellation
from concertmaster.run.excuses import judge_check
from concertmaster.run.observations import MOST_NOTICES, Learnt, learn_again, learn_paths
from concertmaster.run.pauses import end_of_pause
from concertmaster.run.repairs import repair_or_leave_out
from concertmaster.run.state import RunState
from concertmaster.run.task_record import Attempt, TaskRecord
from concertmaster.run.task_table import TaskTable
from concertmaster.run.yielding import (
    find_writers_ahead,
    keep_apart,
    note_yielding,
    yield_slot,
)
from concertmaster.settings.choices import Phase

_SUCCESSES = (TaskState.SUCCEEDED, TaskState.LANDED, TaskState.AWAITING_MERGE)

AGENT_PHASES = phases.AGENTS_OWN | {Phase.REVIEW}


def apply_event(state: RunState, event: Event) -> RunState:
    """Return the state with the event recorded."""
    return _RECORDERS[type(event)](state, event)


def _start(state: RunState, event: RunStarted) -> RunState:
    """Forget what was asked: results may precede the start, and no engine performed commands."""
    landing = replace(state.landing, asked=PendingStep.NOTHING)
    return replace(state, landing=landing, tasks=_rebuild(state, state.tasks))


def _resume(state: RunState, event: RunResumed) -> RunState:
    return replace(
        state,
        tasks=_rebuild(state, {key: forget_asking(one) for key, one in state.tasks.items()}),
        landing=replace(state.landing, asked=PendingStep.NOTHING, stuck=""),
        base_green=state.base_green or None,
        budget_usd=state.budget_usd if event.budget_usd is None else event.budget_usd,
        cancelled=state.cancelled or event.cancelled,
        stopped="",
        is_halted=False,
        is_awaiting=False,
        is_measuring=False,
        failures=0,
        finishing=False,
        finished=False,
    )


def _rebuild(state: RunState, records: Mapping[str, TaskRecord]) -> TaskTable:
    """Return the table of these records, in which no work is being kept."""
    before = state.tasks
    return TaskTable.build(before.network, records, mode=before.mode, changes=before.changes)


def _note_base(state: RunState, event: BaseChecked) -> RunState:
    landing = replace(
        state.landing,
        asked=PendingStep.NOTHING,
        tip=event.tip,
        tip_green=event.passed and event.tip == state.plan.base,
        green=frozenset({event.tree} if event.passed else ()),
    )
    return replace(state, landing=landing, base_green=event.passed, base_reason=event.reason)


def _finish_phase(state: RunState, event: PhaseFinished) -> RunState:
    attempts = {built.task: state.tasks[built.task].attempt for built in event.built_on}
    if event.phase in AGENT_PHASES:
        state = replace(state, pauses=0, failures=0)
    state = state.put(finish_phase(state.tasks[event.task], event, sources=attempts))
    return _yield(state, event)


def _fail_phase(state: RunState, event: PhaseFailed) -> RunState:
    failed = state.tasks[event.task]
    state = replace(state, failures=state.failures + 1 if event.agent_failed else state.failures)
    if event.outcome is Outcome.LIMITED and (until := end_of_pause(state, event)):
        state = replace(state, paused_until=max(state.paused_until, until))
        return state.put(pause_attempt(failed, event))
    state = _learn_again(state.put(fail_phase(failed, event, plan=state.plan)), event)
    if event.outcome in phases.STOPS_THE_RUN:
        return replace(state, stopped=state.stopped or event.reason or event.outcome.value)
    if event.outcome is Outcome.CANCELLED and state.cancelled:
        return settle_task(state, event.task, TaskState.FAILED, reason="the run was cancelled")
    return _yield(state, event)


def _yield(state: RunState, event: PhaseFinished | PhaseFailed) -> RunState:
    """Let the task give its slot up if others changed its files first; it then goes on behind."""
    record = state.tasks[event.task]
    writers = find_writers_ahead(record, state.tasks)
    if not writers or state.cancelled or state.stopped:
        return state
    notices = tuple(note_yielding(record, on, state.tasks[on], at=event.at) for on in writers)
    state = state.put(yield_slot(record, writers))
    excluded = keep_apart(state.network, event.task, writers)
    return _take(state, Learnt(record=record, excluded=excluded, notices=notices))


def _observe(state: RunState, event: FootprintObserved) -> RunState:
    """Record the paths of a running attempt; exclusions of waiting tasks follow."""
    learnt = learn_paths(state.plan, state.network, state.tasks, event)
    return _take(state.put(learnt.record), learnt) if learnt else state


def _learn_again(state: RunState, event: PhaseFailed) -> RunState:
    """Move the exclusions of a task that waits for another attempt."""
    if state.tasks[event.task].state is not TaskState.WAITING:
        return state
    return _take(state, learn_again(state.plan, state.network, state.tasks, event))


def _take(state: RunState, learnt: Learnt) -> RunState:
    if learnt.excluded is not state.network.excluded:
        state = replace(state, tasks=state.tasks.exclude(learnt.excluded))
    return replace(state, notices=(*state.notices, *learnt.notices)[:MOST_NOTICES])


def _receive(state: RunState, event: ResultReceived) -> RunState:
    succeeded = event.state in _SUCCESSES
    is_sensitive = bool(event.sensitive) and not event.lands_anyway
    waits = event.state is TaskState.SUCCEEDED and is_sensitive
    held = waits or event.state is TaskState.AWAITING_MERGE
    attempt = Attempt(
        number=1,
        base=event.base,
        built_on=event.built_on,
        checkpoint=event.head,
        outcome=Outcome.SUCCEEDED if succeeded else Outcome.FAILED,
        reason=event.reason,
        sensitive=event.sensitive,
        classes=event.classes,
    )
    received = replace(
        state.tasks[event.task],
        state=TaskState.AWAITING_MERGE if held else event.state,
        reason=event.reason,
        attempts=(attempt,),
        held=held,
    )
    return state.put(received)


def _end_pause(state: RunState, event: PauseEnded) -> RunState:
    is_over = event.at >= state.paused_until
    return replace(
        state,
        is_awaiting=False,
        paused_until=0.0 if is_over else state.paused_until,
        pauses=state.pauses + 1 if is_over else state.pauses,
    )


def _throttle(state: RunState, event: Throttled) -> RunState:
    state = replace(state, throttled=event.reason, short=event.short)
    if not event.is_answer:
        return state
    is_in_vain = event.short is Shortage.DISK and not state.is_working
    stopped = state.stopped or (event.reason if is_in_vain else "")
    return replace(state, is_measuring=False, stopped=stopped)


def _comes_too_late(state: RunState, tasks: tuple[str, ...]) -> bool:
    """Return whether the check was stopped and the prefix that had passed is landing or landed."""
    landing = state.landing
    has_landed = bool(tasks) and not landing.batch
    return landing.asked is PendingStep.LAND or has_landed


def _note_check(state: RunState, event: BatchChecked) -> RunState:
    if _comes_too_late(state, event.tasks):
        return state
    return replace(state, landing=judge_check(state.landing, event))


def _note_conflict(state: RunState, event: MergeConflicted) -> RunState:
    if _comes_too_late(state, (*event.behind, event.task)):
        return state
    state = replace(state, landing=merge_queue.record_conflict(state.landing, event))
    if event.behind:
        return state
    fault = _fault_of(event)
    if event.refusal:
        return leave_out(state, event.task, fault)
    return state.put(repair_or_leave_out(state.plan, state.tasks[event.task], fault))


def _fault_of(event: MergeConflicted) -> Fault:
    kind = LandingFault.CONFLICT
    if event.refusal:
        kind = LandingFault.HELD if event.paths else LandingFault.REFUSED
    return Fault(kind=kind, paths=event.paths, classes=event.classes, told=event.refusal)


def _note_landed(state: RunState, event: BatchLanded) -> RunState:
    reapplied = state.landing.reapplied
    state = replace(state, landing=merge_queue.record_landed(state.landing, event))
    end = TaskState.AWAITING_MERGE if event.branch else TaskState.LANDED
    reason = f"on {event.branch}: {state.landing.diverted}" if event.branch else ""
    for task in event.tasks:
        state = settle_task(state, task, end, reason=reason)
        state = state.put(replace(state.tasks[task], landed_as_it_is=task not in reapplied))
    return state


def _note_moved(state: RunState, event: TargetMoved) -> RunState:
    return replace(state, landing=merge_queue.record_moved(state.landing, event))


def _note_kept(state: RunState, event: WorkKept) -> RunState:
    state = state.put(replace(state.tasks[event.task], kept_on=event.branch))
    return replace(state, tasks=state.tasks.end_keeping(event.task))


def _cancel(state: RunState, event: CancelRequested) -> RunState:
    return replace(state, cancelled=True)


def _stop(state: RunState, event: StopRequested) -> RunState:
    return replace(state, stopped=event.reason, is_halted=True)


def _note_finished(state: RunState, event: RunFinished) -> RunState:
    """Finish the run, unless a late event has asked for something first.

    A late cancellation asks for work to be kept, and the late answer of a check for a landing.
    """
    is_asked = bool(state.keeping) or state.landing.asked is PendingStep.LAND
    return replace(state, finished=not is_asked, finishing=False)


_RECORDERS: Mapping[type, Callable[..., RunState]] = {
    RunStarted: _start,
    RunResumed: _resume,
    BaseChecked: _note_base,
    PhaseFinished: _finish_phase,
    PhaseFailed: _fail_phase,
    FootprintObserved: _observe,
    ResultReceived: _receive,
    BatchChecked: _note_check,
    MergeConflicted: _note_conflict,
    BatchLanded: _note_landed,
    TargetMoved: _note_moved,
    WorkKept: _note_kept,
    PauseEnded: _end_pause,
    Throttled: _throttle,
    CancelRequested: _cancel,
    StopRequested: _stop,
    RunFinished: _note_finished,
    TaskCancelled: note_cancellation,
}


def settle_task(state: RunState, task: str, end: TaskState, *, reason: str) -> RunState:
    """Return the state with the task in the state `end`, for this reason."""
    return state.put(replace(state.tasks[task], state=end, reason=reason))


def leave_out(state: RunState, task: str, fault: Fault) -> RunState:
    """Return the state in which the task does not land because of this fault."""
    state = settle_task(state, task, TaskState.LEFT_OUT, reason=fault.describe())
    return state.put(replace(state.tasks[task], fault=fault))
