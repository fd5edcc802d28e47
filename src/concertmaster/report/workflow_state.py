"""Writes the state of a task as the state file of WorkflowMaster, for tools that read it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from concertmaster.model import TaskState
from concertmaster.report.model import Report, TaskRow
from concertmaster.report.run_end import RunEnd
from concertmaster.report.summary import say_row
from concertmaster.settings.choices import Phase
from concertmaster.text.display import display, duration
from concertmaster.text.markdown import as_code

_STATUS = {
    TaskState.WAITING: "pending",
    TaskState.RUNNING: "in_progress",
    TaskState.BLOCKED: "blocked",
    TaskState.FAILED: "error",
    TaskState.LEFT_OUT: "error",
}


def write_workflow_state(report: Report, task: TaskRow) -> str:
    """Return the Markdown of the state file of one task.

    A phase is ticked only if it met its exit condition in the last attempt, which is its evidence.
    """
    return "\n".join(_lines(report, task)) + "\n"


def _lines(report: Report, task: TaskRow) -> Iterator[str]:
    last = task.attempts[-1] if task.attempts else None
    yield "# WorkflowMaster State"
    yield f"Task ID: {task.id}"
    yield f"Last Updated: {_moment(report.ended_at)}"
    yield ""
    yield "## Active Workflow"
    yield f"- **Task ID**: {as_code(task.id)}"
    yield f"- **Prompt File**: {as_code(task.prompt)}"
    yield f"- **Branch**: {as_code(task.branch) if task.branch else 'none'}"
    yield f"- **Started**: {_moment(report.started_at)}"
    yield f"- **Worktree**: {as_code(last.folder) if last and last.folder else 'none'}"
    yield ""
    yield "## Phase Completion Status"
    yield from _phases(task)
    yield ""
    yield "## Current Phase Details"
    yield f"- **Status**: {_STATUS.get(task.state, 'completed')}"
    yield f"- **Progress**: {say_row(task, report.ended)}"
    yield f"- **Blockers**: {display(task.reason, limit=300) or 'none'}"
    yield ""
    yield "## Resumption Instructions"
    goes_on = report.ended in (RunEnd.STOPPED, RunEnd.UNFINISHED)
    yield f"`concertmaster resume {report.run}`" if goes_on else "The run has ended."


def _phases(task: TaskRow) -> Iterator[str]:
    last = task.attempts[-1] if task.attempts else None
    rows = {row.phase: row for row in last.phases} if last else {}
    for number, phase in enumerate(Phase):
        row = rows.get(phase)
        if row is None:
            yield f"- [ ] Phase {number}: {phase}"
            continue
        evidence = "met its exit condition" if row.finished else display(row.reason, limit=200)
        box = "x" if row.finished else " "
        yield f"- [{box}] Phase {number}: {phase} ({evidence}, {duration(row.seconds)})"


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else "not yet"
