"""Measures how long each task has been in its phase, and the merge queue in its step."""

from __future__ import annotations

from collections.abc import Iterator

from concertmaster.report.progress_lines import describe_queue
from concertmaster.run.state import RunState
from concertmaster.run.task_record import TaskRecord
from concertmaster.text.display import duration

MOST_RUNNING = 4  # tasks that a sign of life names


class StepClock:
    """Knows since when each task is in its present phase, and the merge queue in its step."""

    def __init__(self) -> None:
        self._since: dict[tuple[object, ...], float] = {}

    def update(self, state: RunState, *, now: float) -> None:
        """Note the steps of this state that are new."""
        keys = [_step_of(state.tasks[key]) for key in state.tasks.running]
        if state.landing.asked:
            keys.append(_queue_step(state))
        self._since = {key: self._since.get(key, now) for key in keys}

    def is_new(self, record: TaskRecord) -> bool:
        """Return whether the task has entered its present phase since the last update."""
        return _step_of(record) not in self._since

    def seconds(self, record: TaskRecord, *, now: float) -> float:
        """Return the seconds that the task has been in its present phase."""
        return now - self._since.get(_step_of(record), now)

    def describe(self, state: RunState, *, now: float) -> Iterator[str]:
        """Yield each running task with its phase and for how long."""
        for key in state.tasks.in_order(state.tasks.running)[:MOST_RUNNING]:
            record = state.tasks[key]
            seconds = duration(self.seconds(record, now=now))
            yield f"{key} ({name_phase(record)} for {seconds})"
        if len(state.tasks.running) > MOST_RUNNING:
            yield f"{len(state.tasks.running) - MOST_RUNNING} more"

    def describe_queue(self, state: RunState, *, now: float) -> str:
        """Return what the merge queue does, and for how long."""
        since = self._since.get(_queue_step(state))
        ago = f" for {duration(now - since)}" if since is not None else ""
        return f"merge queue: {describe_queue(state)}{ago}"


def _step_of(record: TaskRecord) -> tuple[object, ...]:
    attempt = record.attempt
    phase = (attempt.asked, len(attempt.returned), len(attempt.usages)) if attempt else ()
    return (record.task.id, len(record.attempts), phase)


def _queue_step(state: RunState) -> tuple[object, ...]:
    landing = state.landing
    batch = tuple(one.task for one in landing.batch)
    return (landing.asked, landing.tip, batch, landing.passed, landing.failed)


def name_phase(record: TaskRecord) -> str:
    """Return the phase that the task is in, and which attempt it is from the second on."""
    number = len(record.attempts)
    phase = record.attempt.asked if record.attempt else None
    return f"{phase or 'paused'}{f' (attempt {number})' if number > 1 else ''}"
