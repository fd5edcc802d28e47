"""Lays out the picture of a plan: the tasks that wait for others, from left to right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from concertmaster.model import TaskState
from concertmaster.report.model import Report
from concertmaster.report.orders import OrderKind, OrderRow
from concertmaster.text.display import display

MOST_BOXES = 60  # a picture of more cannot be read
BOX_WIDTH, BOX_HEIGHT = 190, 26  # pixels
_STEP_X, _STEP_Y = 250, 38
_LETTERS = 24  # of a name, in a box


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanBox:
    """A task; `x` and `y` are its upper left corner in pixels."""

    x: int
    y: int
    name: str
    state: TaskState


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanLine:
    """A line between two points in pixels."""

    start: tuple[int, int]
    end: tuple[int, int]
    kind: OrderKind


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanPicture:
    """The boxes and lines of a plan, and the size of the picture in pixels."""

    width: int
    height: int
    boxes: tuple[PlanBox, ...]
    lines: tuple[PlanLine, ...]


def draw_plan(report: Report) -> PlanPicture | None:
    """Return the picture of the tasks that wait for others, None if none does or too many do."""
    orders = _drawable(report)
    linked = {task for row in orders for task in row.tasks}
    states = {task.id: task.state for task in report.tasks if task.id in linked}
    if not states or len(states) > MOST_BOXES:
        return None
    places = _place([*states], orders)
    boxes = tuple(
        PlanBox(x=x, y=y, name=display(key, limit=_LETTERS), state=states[key])
        for key, (x, y) in places.items()
    )
    return PlanPicture(
        width=max(box.x for box in boxes) + BOX_WIDTH + 2,
        height=max(box.y for box in boxes) + BOX_HEIGHT + 2,
        boxes=boxes,
        lines=tuple(_connect(row, places) for row in orders),
    )


def _drawable(report: Report) -> list[OrderRow]:
    """Return the orders of tasks that are in the run; a need may be on a skipped prompt."""
    known = {task.id for task in report.tasks}
    return [row for row in report.orders if {*row.tasks} <= known]


def _place(tasks: Sequence[str], orders: Sequence[OrderRow]) -> dict[str, tuple[int, int]]:
    """Return the corner of each task's box: a task stands right of all that it waits for."""
    column = dict.fromkeys(tasks, 0)
    needs = [row.tasks for row in orders if row.kind is not OrderKind.EXCLUSION]
    for _ in tasks:  # the longest chain has no more steps
        for on, task in needs:
            column[task] = min(max(column[task], column[on] + 1), len(tasks))
    used: dict[int, int] = {}
    places = {}
    for task in tasks:
        row = used.get(column[task], 0)
        used[column[task]] = row + 1
        places[task] = (1 + column[task] * _STEP_X, 1 + row * _STEP_Y)
    return places


def _connect(row: OrderRow, places: Mapping[str, tuple[int, int]]) -> PlanLine:
    left, right = sorted((places[task] for task in row.tasks), key=lambda place: place[0])
    middle = BOX_HEIGHT // 2
    if left[0] == right[0]:  # one above the other: beside the boxes
        x = left[0] + BOX_WIDTH
        return PlanLine(start=(x, left[1] + middle), end=(x, right[1] + middle), kind=row.kind)
    start, end = (left[0] + BOX_WIDTH, left[1] + middle), (right[0], right[1] + middle)
    return PlanLine(start=start, end=end, kind=row.kind)
