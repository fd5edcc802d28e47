"""Decides how a run ended, and the exit code."""

from __future__ import annotations

from enum import StrEnum

from concertmaster.model import TaskState
from concertmaster.run.state import RunState
from concertmaster.run.task_record import TaskRecord
from concertmaster.settings.choices import LandingMode


class RunEnd(StrEnum):
    """The way in which a run ended.

    LANDED means that each task reached the end that was asked for. With another landing mode than
    merge, that includes tasks that succeeded without landing.
    """

    LANDED = "landed"
    INCOMPLETE = "incomplete"
    CANCELLED = "cancelled"
    STOPPED = "stopped"
    BASE_IS_RED = "base is red"
    UNFINISHED = "unfinished"


_EXIT_CODES = {RunEnd.LANDED: 0, RunEnd.BASE_IS_RED: 3, RunEnd.STOPPED: 4}


def exit_code(ended: RunEnd) -> int:
    """Return the exit code of a run.

    0: all tasks landed, 1: some did not, 3: the base is red, 4: stopped by budget or limit.
    """
    return _EXIT_CODES.get(ended, 1)


def find_ending(state: RunState) -> tuple[RunEnd, str]:
    """Return how the run ended and the reason.

    The reason is "" if those of the tasks suffice.
    """
    undone = [record for record in state.tasks.values() if not is_done(record, state)]
    if not state.finished:
        return RunEnd.UNFINISHED, "it is being cancelled" if state.cancelled else ""
    if state.base_green is False:
        return RunEnd.BASE_IS_RED, state.base_reason
    if not undone:
        return RunEnd.LANDED, ""
    if state.cancelled:
        return RunEnd.CANCELLED, ""
    if state.stopped and any(not record.state.is_over for record in undone):
        return RunEnd.STOPPED, state.stopped
    return RunEnd.INCOMPLETE, state.landing.stuck or state.landing.diverted


def can_go_on(state: RunState) -> bool:
    """Return whether `resume` would find work in the run."""
    return find_ending(state)[0] in (RunEnd.STOPPED, RunEnd.UNFINISHED)


def is_done(record: TaskRecord, state: RunState) -> bool:
    """Return whether the task landed or was skipped.

    A task with nothing to land is done when it succeeded.
    """
    lands = state.plan.settings.landing is LandingMode.MERGE
    succeeded = record.state is TaskState.SUCCEEDED and not (lands and record.head)
    return succeeded or record.state in (TaskState.LANDED, TaskState.SKIPPED)


def find_unlanded(state: RunState) -> frozenset[str]:
    """Return the tasks that did not land and that no person is to merge."""
    return frozenset(
        key
        for key, record in state.tasks.items()
        if not is_done(record, state) and record.state is not TaskState.AWAITING_MERGE
    )
