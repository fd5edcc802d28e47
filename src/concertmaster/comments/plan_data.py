"""Writes and reads what programs take from a plan comment, in a hidden comment below its mark."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from concertmaster.comments import plan_comment_v1
from concertmaster.model import Plan
from concertmaster.text.marks import data_comment, read_data, read_marks

PLAN_KIND = "plan"
VERSION = 2
_TASK = re.compile(r"[A-Za-z0-9._-]{1,100}")
_LARGEST_NUMBER = 10**18


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRow:
    """A task of a plan, its child issue, and its share; `share` is None if it has none."""

    task: str
    number: int
    share: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanData:
    """The data of a plan comment.

    A dry run has no rows, because its tasks have no issues, and no workflow runs.
    """

    run: str
    rows: tuple[PlanRow, ...] = ()
    workflows: tuple[int, ...] = ()


def write_plan_data(plan: Plan, children: Mapping[str, int], workflows: Sequence[int]) -> str:
    """Return the hidden comment; `children` are the numbers of the tasks' issues."""
    shares = {task: number for number, share in enumerate(plan.shares) for task in share}
    tasks = [task.id for task in plan.tasks if task.id in children]
    rows = [[task, children[task], shares.get(task)] for task in tasks]
    value = {"rows": rows, "workflows": list(workflows)}
    return data_comment(value, kind=PLAN_KIND, version=VERSION)


def read_plan(body: str, *, repository_url: str = "") -> PlanData | None:
    """Return the data of a plan comment; None if the body is none.

    Only a comment of ours is to be believed. One of an earlier version names its workflow run by
    URL, and `repository_url` is what that has to begin with.
    """
    run = next((one.run for one in read_marks(body) if one.kind == PLAN_KIND), "")
    if not run:
        return None
    value = read_data(body, kind=PLAN_KIND, version=VERSION)
    if value is not None:
        rows, workflows = value.get("rows"), value.get("workflows")
        return PlanData(run=run, rows=_read_rows(rows), workflows=_read_numbers(workflows))
    found = plan_comment_v1.read_rows(body)
    rows = tuple(PlanRow(task=task, number=number, share=share) for task, number, share in found)
    workflow = plan_comment_v1.read_workflow(body, repository_url=repository_url)
    return PlanData(run=run, rows=rows, workflows=(workflow,) if workflow else ())


def _read_rows(value: object) -> tuple[PlanRow, ...]:
    if not isinstance(value, list):
        return ()
    rows = []
    for row in value:
        match row:
            case [str(task), int(number), int() | None as share] if (
                _TASK.fullmatch(task) and _is_number(number) and (share is None or share >= 0)
            ):
                rows.append(PlanRow(task=task, number=number, share=share))
            case _:
                return ()
    return tuple(rows)


def _read_numbers(value: object) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(map(_is_number, value)):
        return ()
    return tuple(value)


def _is_number(value: object) -> bool:
    return type(value) is int and 0 < value < _LARGEST_NUMBER
