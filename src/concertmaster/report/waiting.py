"""Says what waiting tasks wait for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from concertmaster.model import TaskState
from concertmaster.run.state import RunState
from concertmaster.text.display import count

_OPEN = (TaskState.WAITING, TaskState.RUNNING, TaskState.SUCCEEDED)
_MOST_NAMED = 2


def describe_waiting(state: RunState, *, most: int) -> Iterator[str]:
    """Yield a line for each waiting task that waits for others, and one for all the rest.

    There are at most `most` lines.
    """
    waiting = [key for key in state.tasks if state.tasks[key].state is TaskState.WAITING]
    reasons = {key: _find_reason(state, key) for key in waiting}
    held = [f"waiting: {key} for {reason}" for key, reason in reasons.items() if reason]
    free = sum(1 for reason in reasons.values() if not reason)
    kept = held[: most - 1] if len(held) + bool(free) > most else held
    yield from kept
    if free or len(kept) < len(held):
        words = [
            f"{count(len(held) - len(kept), 'task')} for other tasks" * (len(kept) < len(held)),
            f"{count(free, 'task')} for {_for_all(state)}" * bool(free),
        ]
        yield f"waiting: {', '.join(filter(None, words))}"


def _for_all(state: RunState) -> str:
    if state.base_green is None:
        return "the check of the base"
    if state.paused_until:
        return "the end of the usage limit"
    return "room on this machine" if state.throttled else "a free slot"


def _find_reason(state: RunState, key: str) -> str:
    """Return the tasks that this one waits for, "" if it waits for no other."""
    tasks, plan = state.tasks, state.plan
    named = {task.id for task in plan.tasks}
    before = [
        need.on
        for need in plan.needs
        if need.task == key and need.on in named and tasks[need.on].state in _OPEN
    ]
    beside = [
        other
        for other in tasks.in_order(state.network.excluded[key])
        if tasks[other].state is TaskState.RUNNING
    ]
    found = list(Counter([*before, *beside]))
    more = len(found) - _MOST_NAMED
    return ", ".join(found[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
