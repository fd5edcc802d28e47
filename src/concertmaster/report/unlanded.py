"""Decides which tasks of a run a retry takes."""

from __future__ import annotations

from collections.abc import Collection

from concertmaster import graph
from concertmaster.model import TaskState
from concertmaster.report.run_end import find_unlanded
from concertmaster.run.state import RunState


def choose_unlanded(
    state: RunState, *, named: Collection[str] = (), landed: Collection[str] = ()
) -> tuple[str, ...]:
    """Return the tasks that a retry takes, in the plan's order.

    They are all that did not land. With `named` they are these, what they need, and what was
    blocked and now has all its needs. `landed` are those that people have merged since.
    """
    hard = state.network.hard
    lost = {key for key in find_unlanded(state) if key not in landed}
    wanted = {key for key in named if key in lost} if named else lost
    chosen = wanted | graph.find_before({key: hard[key] & lost for key in lost}, wanted)
    in_order = [key for key in state.tasks if key in lost]
    for _ in in_order if named else ():
        for key in in_order:
            is_blocked = state.tasks[key].state is TaskState.BLOCKED
            if is_blocked and all(on in chosen or on not in lost for on in hard[key]):
                chosen.add(key)
    return tuple(key for key in in_order if key in chosen)
