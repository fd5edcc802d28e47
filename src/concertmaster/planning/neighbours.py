"""Tells an agent what the tasks beside its own are about to change."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from concertmaster import graph
from concertmaster.model import Plan, Task
from concertmaster.text.display import display

LONGEST_NOTE = 600  # characters, about 150 tokens
LEAST_LIKELY = 0.15  # of a file that another task may change
MOST_NAMES = 4
_HEAD = (
    "Other agents change this repository at the same time. Do not do their work. They may change:"
)


def describe_neighbours(plan: Plan, task: Task, *, apart: Collection[str]) -> str:
    """Return what the tasks beside this one may change in the files that it uses.

    The text has at most `LONGEST_NOTE` characters, the likeliest first; "" if there is nothing to
    tell. Tasks that never run beside this one are left out: its needs, what needs it, and those
    of `apart`, which it is now kept apart from.
    """
    used = {entry.path: entry.probability for entry in task.footprint}
    if not used:
        return ""
    found = [pair for other in _find_neighbours(plan, task, apart) for pair in _lines(other, used)]
    told = _HEAD
    for _, line in sorted(found, reverse=True):
        if len(told) + len(line) + 1 > LONGEST_NOTE:
            break
        told = f"{told}\n{line}"
    return "" if told == _HEAD else told


def _find_neighbours(plan: Plan, task: Task, apart: Collection[str]) -> Iterator[Task]:
    ids = {one.id for one in plan.tasks}
    before = graph.build(ids, [(n.task, n.on) for n in plan.needs if {n.task, n.on} <= ids])
    after = graph.invert(before)
    never = {*apart, task.id, *graph.find_before(before, [task.id])}
    never |= graph.find_before(after, [task.id])
    return (one for one in plan.tasks if one.id not in never)


def _lines(other: Task, used: Mapping[str, float]) -> Iterator[tuple[float, str]]:
    """Yield a line for each file in use of which definitions may change, with its weight."""
    for entry in other.footprint:
        if entry.path in used and entry.probability >= LEAST_LIKELY and entry.definitions:
            names = ", ".join(_inert(name, 40) for name, _ in entry.definitions[:MOST_NAMES])
            line = f"- {names} in {_inert(entry.path, 80)}: {_inert(other.title, 80)}"
            yield entry.probability * used[entry.path], line


def _inert(text: str, limit: int) -> str:
    """Return the text as a part of a line that begins no Markdown of its own."""
    return display(text, limit=limit).replace("`", "'")
