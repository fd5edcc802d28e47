"""Describes each event of a run in a line of text while the run goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

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
from concertmaster.landing.fault import LandingFault
from concertmaster.landing.merge_queue import Landing, PendingStep
from concertmaster.model import Outcome, TaskState
from concertmaster.report.notice_lines import describe_notice
from concertmaster.report.run_end import RunEnd, find_ending
from concertmaster.run.state import RunState
from concertmaster.settings.choices import LandingMode
from concertmaster.text.display import count, display, duration, shorten_id, took

show_reason = partial(display, limit=300)
MOST_TASKS_NAMED = 4


def progress_lines(before: RunState, after: RunState, event: Event) -> Iterator[str]:
    """Yield the lines for an event that took the run from state `before` to `after`.

    Most events yield one line; decisions that followed from the event yield further ones.
    """
    line = _TELLERS[type(event)](after, event)
    if line:
        yield line
    yield from _tell_notes(event)
    yield from _tell_left_out(before, after)
    for notice in after.notices[len(before.notices) :]:
        yield describe_notice(notice)
    if len(after.landing.flaky) > len(before.landing.flaky):
        yield f"flaky: the check failed behind {after.landing.flaky[-1]}, then passed unchanged"
    if after.landing.stuck and not before.landing.stuck:
        yield f"nothing more can land: {show_reason(after.landing.stuck)}"
    if after.paused_until > before.paused_until:
        wait = duration(after.paused_until - event.at)
        yield f"usage limit: the run pauses for {wait}; no attempt is spent"
    if after.stopped and not before.stopped:
        yield f"no further agent starts: {show_reason(after.stopped)}"


def _tell_notes(event: Event) -> Iterator[str]:
    match event:
        case BaseChecked():
            yield from (f"note: {show_reason(note)}" for note in event.notes)
        case PhaseFinished() | PhaseFailed():
            yield from (f"{event.task}  note: {show_reason(note)}" for note in event.notes)
        case _:
            pass


def _tell_left_out(before: RunState, after: RunState) -> Iterator[str]:
    for key in after.tasks.changed_since(before.tasks):
        record = after.tasks[key]
        if record.state is TaskState.LEFT_OUT:
            is_culprit = record.fault is not None and record.fault.kind is LandingFault.CULPRIT
            word = "culprit" if is_culprit else "left out"
            yield f"{word}: {key} {show_reason(record.reason)}"
        elif before.tasks[key].state is TaskState.SUCCEEDED and not record.state.is_over:
            yield f"to be mended: {key} {show_reason(record.reason)}"
        elif record.state is TaskState.BLOCKED:
            yield f"blocked: {key} {show_reason(record.reason)}"


def describe_queue(state: RunState) -> str:
    """Return what the merge queue is doing now."""
    landing = state.landing
    match landing.asked:
        case PendingStep.BASE:
            return "checking the base"
        case PendingStep.CHECK:
            return f"{_checking(landing)} on {shorten_id(landing.tip)}"
        case PendingStep.LAND:
            return f"landing {count(landing.passed, 'task')}"
        case PendingStep.NOTHING:
            return show_reason(landing.stuck) if landing.stuck else "waiting for results"


def _checking(landing: Landing) -> str:
    if landing.failed is None:
        return f"checking {count(len(landing.batch), 'task')}"
    suspects = landing.batch[landing.passed : landing.failed]
    if len(suspects) == 1:
        return f"checking {suspects[0].task} once more"
    return f"looking for the culprit among {count(len(suspects), 'task')}"


def _tell_start(state: RunState, event: RunStarted) -> str:
    plan = state.plan
    slots = count(plan.slots, "slot")
    lands = plan.settings.landing is LandingMode.MERGE
    where = f", landing on {plan.target}" if lands else ""
    return f"run {event.run}: {count(len(plan.tasks), 'task')} in {slots}{where}"


def _tell_resume(state: RunState, event: RunResumed) -> str:
    return f"run {state.plan.run} goes on"


def _tell_base(state: RunState, event: BaseChecked) -> str:
    if event.passed:
        seconds = took(event.seconds, event.setup_seconds)
        return f"base {shorten_id(state.plan.base)} passes the check in {seconds}"
    return (
        f"base {shorten_id(state.plan.base)} does not pass the check: {show_reason(event.reason)}"
    )


def _tell_phase(state: RunState, event: PhaseFinished) -> str:
    if event.no_op:
        return f"{event.task}  has nothing to change: {show_reason(event.no_op)}"
    done = state.tasks[event.task].state is not TaskState.RUNNING
    end = "; the task succeeded" if done else ""
    seconds = took(event.seconds, event.setup_seconds)
    return f"{event.task}  {event.phase} finished in {seconds}{end}"


def _tell_failure(state: RunState, event: PhaseFailed) -> str:
    end = "" if state.stopped else _say_what_follows(state, event)
    what = f"{event.phase} {event.outcome.replace('_', ' ')} after {duration(event.seconds)}"
    # What stops a run is told once for all tasks, in a line of its own.
    why = "" if event.reason == state.stopped else f": {show_reason(event.reason)}"
    return f"{event.task}  {what}{why}{end}"


def _say_what_follows(state: RunState, event: PhaseFailed) -> str:
    record = state.tasks[event.task]
    if record.state is TaskState.WAITING or len(record.attempts) > event.attempt:
        return "; the task will be tried again"
    if not record.is_busy:
        return ""
    if event.outcome is Outcome.LIMITED:
        return "; it goes on after the pause"
    return "; the work goes back to the agent"


def _tell_observed(state: RunState, event: FootprintObserved) -> str:
    return ""  # the lines of what follows from it say all


def _tell_result(state: RunState, event: ResultReceived) -> str:
    state_now = state.tasks[event.task].state.replace("_", " ")
    why = f": {show_reason(event.reason)}" if event.reason else ""
    return f"{event.task}  {state_now}{why}"


def _tell_check(state: RunState, event: BatchChecked) -> str:
    known = ", as known before" if event.cached else f" ({duration(event.seconds)})"
    many = len(event.tasks) > 1
    who = count(len(event.tasks), "task") if many else (*event.tasks, state.plan.target)[0]
    together, ending = (" together", "") if many else ("", "es" if event.passed else "s")
    if event.passed:
        return f"check: {who}{together} pass{ending} the check{known}"
    return f"check: {who}{together} fail{ending} the check{known}: {show_reason(event.reason)}"


def _tell_conflict(state: RunState, event: MergeConflicted) -> str:
    if not event.behind:
        return ""  # the line that it is left out has the reason
    paths = show_reason(", ".join(event.paths))
    behind = name_tasks(event.behind)
    if event.refusal:
        return f"{event.task} may not land behind {behind}: {show_reason(event.refusal)}"
    return f"{event.task} conflicts in {paths} behind {behind}; tried again on the next tip"


def _tell_landed(state: RunState, event: BatchLanded) -> str:
    why = f" ({show_reason(event.reason)})" if event.branch and event.reason else ""
    where = f"{event.branch or state.plan.target}{why}"
    moved = f"{shorten_id(event.tip)}..{shorten_id(event.commit)} on {where}"
    return f"landed {count(len(event.tasks), 'task')}: {moved} ({name_tasks(event.tasks)})"


def _tell_moved(state: RunState, event: TargetMoved) -> str:
    target = state.plan.target
    moved = f"{target} was moved to {shorten_id(event.tip)} by somebody else"
    return f"{moved}; merging and checking again"


def _tell_kept(state: RunState, event: WorkKept) -> str:
    return f"{event.task}  its work is on branch {event.branch}"


def _tell_stop(state: RunState, event: StopRequested) -> str:
    return "stopping the agents"


def _tell_cancel(state: RunState, event: CancelRequested) -> str:
    return "cancelled: stopping the agents"


def _tell_cancelled_task(state: RunState, event: TaskCancelled) -> str:
    record = state.tasks.get(event.task)
    if record is None or not record.cancelled:
        return ""
    return f"{event.task}  cancelled; its work is kept, and the run goes on"


def _tell_end(state: RunState, event: RunFinished) -> str:
    stopped = find_ending(state)[0] is RunEnd.STOPPED
    return "the run stops here" if stopped else "the run has ended"


def name_tasks(tasks: tuple[str, ...]) -> str:
    """Return the first four task ids and the number of the others."""
    more = len(tasks) - MOST_TASKS_NAMED
    return ", ".join(tasks[:MOST_TASKS_NAMED]) + (f" and {more} more" if more > 0 else "")


def _tell_end_of_pause(state: RunState, event: PauseEnded) -> str:
    return "" if state.paused_until else "the run goes on after its pause"


def _tell_throttle(state: RunState, event: Throttled) -> str:
    if state.stopped and event.is_answer:
        return ""  # the line of the stop has the reason
    if event.reason:
        return f"no room: {show_reason(event.reason)}"
    return "there is room again, so tasks start again"


_TELLERS: Mapping[type, Callable[..., str]] = {
    RunStarted: _tell_start,
    RunResumed: _tell_resume,
    BaseChecked: _tell_base,
    PhaseFinished: _tell_phase,
    PhaseFailed: _tell_failure,
    FootprintObserved: _tell_observed,
    ResultReceived: _tell_result,
    BatchChecked: _tell_check,
    MergeConflicted: _tell_conflict,
    BatchLanded: _tell_landed,
    TargetMoved: _tell_moved,
    WorkKept: _tell_kept,
    PauseEnded: _tell_end_of_pause,
    Throttled: _tell_throttle,
    CancelRequested: _tell_cancel,
    StopRequested: _tell_stop,
    RunFinished: _tell_end,
    TaskCancelled: _tell_cancelled_task,
}
