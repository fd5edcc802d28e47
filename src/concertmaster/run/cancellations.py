"""Decides what becomes of a task that the user cancels while its run goes on."""

from __future__ import annotations

from dataclasses import replace

from concertmaster.commands import Command, StopAttempt
from concertmaster.events import TaskCancelled
from concertmaster.landing.withdrawal import is_being_decided, withdraw
from concertmaster.model import Plan, TaskState
from concertmaster.run.attempts import abandon_attempt
from concertmaster.run.state import RunState
from concertmaster.run.task_record import TaskRecord
from concertmaster.settings.choices import LandingMode

REASON = "the task was cancelled"


def can_be_cancelled(record: TaskRecord, plan: Plan) -> bool:
    """Return whether there is anything to cancel: the task is not over, or may still land."""
    lands = plan.settings.landing is LandingMode.MERGE
    may_land = lands and record.state is TaskState.SUCCEEDED and record.head != ""
    return may_land or not record.state.is_over


def note_cancellation(state: RunState, event: TaskCancelled) -> RunState:
    """Return the state in which the task is to end; one that is over or unknown stays."""
    record = state.tasks.get(event.task)
    if record is None or not can_be_cancelled(record, state.plan):
        return state
    state = state.put(replace(record, cancelled=True))
    return replace(state, ending=state.ending | {event.task})


def end_cancelled(state: RunState) -> tuple[RunState, tuple[Command, ...]]:
    """End the cancelled tasks; what has no answer yet is stopped, or waited for.

    A task lands if the queue is landing it already.
    """
    commands: list[Command] = []
    for key in state.tasks.in_order(state.ending):
        record = state.tasks[key]
        if record.attempt and record.attempt.asked:
            state, more = stop_attempt(state, record)
            commands.extend(more)
            continue
        if can_be_cancelled(record, state.plan):
            if is_being_decided(state.landing, key):
                continue
            state = replace(state, landing=withdraw(state.landing, key)).put(end_task(record))
        state = replace(state, ending=state.ending - {key})
    return state, tuple(commands)


def end_task(record: TaskRecord) -> TaskRecord:
    """Return the record of a cancelled task; a result that it had is left out."""
    has_result = record.repair is not None or any(one.head for one in record.attempts)
    end = TaskState.LEFT_OUT if has_result else TaskState.FAILED
    ended = abandon_attempt(record, end, reason=REASON)
    return replace(ended, fault=None, repair=None, carried=None)


def stop_attempt(state: RunState, record: TaskRecord) -> tuple[RunState, tuple[Command, ...]]:
    """End the processes of the running attempt, unless they are being ended already."""
    if record.stopping or record.attempt is None:
        return state, ()
    command = StopAttempt(task=record.task.id, attempt=record.attempt.number)
    return state.put(replace(record, stopping=True)), (command,)


def name_loss(record: TaskRecord) -> str:
    """Return the reason for what needs this task, which is lost."""
    why = "was cancelled" if record.cancelled else "did not land"
    return f"needs {record.task.id}, which {why}"
