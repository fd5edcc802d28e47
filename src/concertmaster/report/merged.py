"""Brings a report up to date with what the user has merged since the run ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from concertmaster.model import TaskState
from concertmaster.report.model import Report
from concertmaster.report.run_end import RunEnd, exit_code

_ENDS = (TaskState.LANDED, TaskState.SKIPPED)


def update_merged(report: Report, *, is_on_target: Callable[[str], bool]) -> Report:
    """Return the report in which results that the target holds by now have landed.

    `is_on_target` says whether a commit is in the history of the target.
    """
    merged = {
        task: row.branch
        for row in report.landed
        if row.branch and is_on_target(row.commit)
        for task in row.tasks
    }
    if not merged:
        return report
    tasks = tuple(
        replace(task, state=TaskState.LANDED, reason=f"merged into {report.target} by hand")
        if task.id in merged and task.state is TaskState.AWAITING_MERGE
        else task
        for task in report.tasks
    )
    branches = set(merged.values())
    steps = (s for s in report.next_steps if not any(name in s.command for name in branches))
    is_done = all(task.state in _ENDS for task in tasks)
    return replace(
        report,
        tasks=tasks,
        next_steps=tuple(steps),
        ended=RunEnd.LANDED if is_done and exit_code(report.ended) == 1 else report.ended,
        reason="" if is_done else report.reason,
    )
