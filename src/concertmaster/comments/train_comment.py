"""Writes what is said of pull requests that a run lands for others. Their texts are inert."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from concertmaster.comments.plan_data import PLAN_KIND, write_plan_data
from concertmaster.model import Plan
from concertmaster.rounds.history import History, TaskHistory
from concertmaster.text.display import count
from concertmaster.text.markdown import as_cell, as_code, as_line, clip
from concertmaster.text.marks import mark

LAND_KIND = "land"
LONGEST_REASON = 1500  # characters


_EXPLANATION = (
    "They are checked together at these commits. What breaks the check is left out, and its pull "
    "request is told. A later push lands nothing."
)


def train_comment(
    plan: Plan, history: History, *, notes: Sequence[str], workflows: Sequence[int]
) -> str:
    """Return the comment for the issue where somebody asked; `notes` are Markdown of ours."""
    head = mark(run=history.run, kind=PLAN_KIND)
    data = write_plan_data(plan, {}, workflows)
    lines = [*([data] if data else []), train_summary(plan, history), ""]
    return clip("\n".join((head, *lines, *(f"- {note}" for note in notes))))


def train_summary(plan: Plan, history: History) -> str:
    """Return the pull requests with their pinned heads, and why others are left out (Markdown)."""
    open_tasks = [one for one in history.tasks.values() if not one.is_done]
    lines = [
        f"### Landing {count(len(open_tasks), 'pull request')} on {as_code(plan.target)}",
        "",
        _EXPLANATION,
        "",
        "| pull request | commit | policy |",
        "|---|---|---|",
        *map(_row, open_tasks),
        "",
        *(f"- {as_line(need.reason)}, so it lands only with it" for need in history.needs),
        *_left(history),
    ]
    return "\n".join(lines)


def _row(one: TaskHistory) -> str:
    held = "may not change protected paths" if not one.lands_anyway else "reports only"
    number = one.given.number if one.given else 0
    return f"| #{number} {as_cell(one.title, limit=80)} | {one.head[:12]} | {held} |"


def _left(history: History) -> Iterator[str]:
    for one in history.skipped:
        yield f"- {as_line(one.prompt)} is left out: {as_line(one.reason, limit=LONGEST_REASON)}"


def left_out_comment(history: History, one: TaskHistory) -> str:
    """Return the comment on a pull request that did not land: why, and what can be done."""
    head = mark(run=history.run, kind=LAND_KIND, task=one.task)
    number = one.given.number if one.given else 0
    return (
        f"{head}\nThis pull request was to land on {as_code(history.target)} "
        f"(#{history.parent}) at {one.head[:12] or one.work[:12]}, and was left out: "
        f"{as_line(one.reason, limit=LONGEST_REASON)}\n\n"
        f"Its branch is as it was. When that is mended, comment `/orchestrate land #{number}` on "
        "an issue."
    )


def landed_comment(history: History, one: TaskHistory) -> str:
    """Return the comment on a pull request whose change landed as another commit."""
    head = mark(run=history.run, kind=LAND_KIND, task=one.task)
    return (
        f"{head}\nThis has landed on {as_code(history.target)} as {one.landed_as[:12]}, "
        f"checked together with others (#{history.parent})."
    )


def tell_next(history: History) -> Iterator[str]:
    """Yield how the pull requests that did not land can be tried again."""
    rest = [one for one in history.tasks.values() if not one.is_done]
    left = [
        f"#{one.given.number}" for one in rest if one.given and not history.waits_for_person(one)
    ]
    if left:
        yield f"When what stopped them is mended, comment `/orchestrate land {' '.join(left)}`."
