"""Draws when the tasks of a plan are expected to run, and which pairs may collide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from concertmaster.model import Plan
from concertmaster.planning.pair_chances import LEAST_SHOWN, PairChance, predict_collisions
from concertmaster.planning.scheduler import Network, predict_ends
from concertmaster.text.display import count, display, duration

MOST_ROWS = 40  # of the timeline
MOST_IN_MATRIX = 13  # tasks, so that a row has at most 80 characters
MOST_PAIRS = 60  # of the list that stands for a larger matrix
_BAR = 30  # characters
_NAME = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledTask:
    """The time in which a task is expected to run, in seconds after the start of the run."""

    task: str
    starts_seconds: float
    ends_seconds: float


def predict_schedule(plan: Plan) -> tuple[ScheduledTask, ...]:
    """Return when each task runs if every one takes its estimate, in the order of starts."""
    network = Network.from_plan(plan)
    ends = predict_ends(network, slots=plan.slots) if plan.tasks else {}
    return tuple(
        ScheduledTask(task=task, starts_seconds=end - network.estimates[task], ends_seconds=end)
        for task, end in ends.items()
    )


def dump_plan(plan: Plan) -> dict[str, Any]:
    """Return the plan as a document, with the predicted schedule and the pairs that may collide."""
    timeline = [asdict(row) for row in predict_schedule(plan)]
    return {
        **asdict(plan),
        "timeline": timeline,
        "collisions": [asdict(pair) for pair in predict_collisions(plan)],
    }


def draw(plan: Plan) -> Iterator[str]:
    """Yield the lines of the timeline and of the conflict matrix."""
    yield from draw_timeline(plan)
    yield from draw_matrix(plan)


def draw_timeline(plan: Plan) -> Iterator[str]:
    """Yield the predicted schedule as lines of at most 80 characters, one for each task."""
    rows = predict_schedule(plan)
    if not rows:
        return
    whole = max(row.ends_seconds for row in rows) or 1.0
    yield f"timeline: {duration(whole)} from left to right, in {count(plan.slots, 'slot')}"
    for row in rows[:MOST_ROWS]:
        first = min(int(_BAR * row.starts_seconds / whole), _BAR - 1)
        last = max(round(_BAR * row.ends_seconds / whole), first + 1)
        bar = ("=" * (last - first)).rjust(last, ".").ljust(_BAR, ".")
        times = f"{duration(row.starts_seconds)} to {duration(row.ends_seconds)}"
        yield f"  {_shorten(row.task):{_NAME}} {bar} {times}"
    if len(rows) > MOST_ROWS:
        yield f"  and {count(len(rows) - MOST_ROWS, 'more task')}; --format json has all"


def draw_matrix(plan: Plan) -> Iterator[str]:
    """Yield how likely pairs of tasks collide, as lines of at most 80 characters.

    Only tasks of a pair above LEAST_SHOWN are named. More than MOST_IN_MATRIX make a list.
    """
    pairs = predict_collisions(plan)
    if not pairs:
        return
    named = {task for pair in pairs for task in pair.tasks}
    tasks = [task.id for task in plan.tasks if task.id in named]
    yield f"conflict matrix: % that two tasks collide, above {LEAST_SHOWN:.0%}; x = kept apart"
    yield from _matrix(tasks, pairs) if len(tasks) <= MOST_IN_MATRIX else _list(pairs)


def _matrix(tasks: Sequence[str], pairs: Sequence[PairChance]) -> Iterator[str]:
    cells = {}
    for pair in pairs:
        text = f"{round(100 * pair.probability)}{'x' if pair.apart else ' '}"
        cells[pair.tasks] = cells[pair.tasks[::-1]] = text
    numbers = "".join(f"{number:3} " for number in range(1, len(tasks) + 1))
    yield f"  {'':{_NAME + 3}}{numbers}".rstrip()
    for number, task in enumerate(tasks, 1):
        row = "".join(f"{'- ' if o == task else cells.get((task, o), '. '):>4}" for o in tasks)
        yield f"  {number:2} {_shorten(task):{_NAME}}{row}".rstrip()


def _list(pairs: Sequence[PairChance]) -> Iterator[str]:
    for pair in pairs[:MOST_PAIRS]:
        chance = f"{round(100 * pair.probability):3}{'x' if pair.apart else ' '}"
        names = " ".join(_shorten(task).ljust(_NAME) for task in pair.tasks)
        yield f"  {chance} {names} {display(pair.paths[0], limit=22)}"
    if len(pairs) > MOST_PAIRS:
        yield f"  and {count(len(pairs) - MOST_PAIRS, 'more pair')}; --format json has all"


def _shorten(task: str) -> str:
    """Return the id, or its start and its end if it is long."""
    return task if len(task) <= _NAME else f"{task[: _NAME - 6]}~{task[-5:]}"


def draw_gantt(plan: Plan) -> str:
    """Return the predicted schedule as a Mermaid Gantt chart."""
    lines = ["gantt", "    title Predicted schedule", "    dateFormat X", "    axisFormat %H:%M:%S"]
    for number, row in enumerate(predict_schedule(plan)):
        start = round(row.starts_seconds)
        lines.append(
            f"    {row.task} :t{number}, {start}, {max(round(row.ends_seconds), start + 1)}"
        )
    return "\n".join(lines)
