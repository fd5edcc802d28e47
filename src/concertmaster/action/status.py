"""Writes the answer to `/orchestrate status` from issues and jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from concertmaster.comments.plan_data import PlanRow
from concertmaster.github.labels import LABEL, QUEUED, RUNNING
from concertmaster.github.models import Issue, WorkflowJob
from concertmaster.text.display import count
from concertmaster.text.markdown import as_cell

_OPEN = (QUEUED, RUNNING)
_WAITING = ("queued", "waiting", "pending", "requested")
WORKED = "worked on and not yet checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """What GitHub knows of a run.

    `children` are the issues by task. `gone` are the workflow runs that GitHub has no more.
    """

    rows: Sequence[PlanRow]
    children: Mapping[str, Issue]
    jobs: Sequence[WorkflowJob]
    gone: Sequence[int] = ()


def status_comment(status: RunStatus) -> str:
    """Return the number of tasks in each state, and a table of the shares and other jobs."""
    works = {share: one for one in status.jobs if (share := one.share) is not None}
    shares = {row.task: row.share for row in status.rows}
    is_gone = bool(status.gone) and not status.jobs
    stages = Counter(
        _stage(issue, _job_of(task, shares, works), is_gone=is_gone)
        for task, issue in status.children.items()
    )
    counts = ", ".join(f"{number} {stage}" for stage, number in sorted(stages.items()))
    lines = [f"{count(sum(stages.values()), 'task')}: {counts or 'none'}", ""]
    if status.jobs:
        lines += ["| job | tasks | status | since |", "|---|---|---|---|"]
        lines += [_row(one, status) for one in status.jobs]
    return "\n".join([*lines, *_tell_of_gone(status.gone)])


def _job_of(
    task: str, shares: Mapping[str, int | None], works: Mapping[int, WorkflowJob]
) -> WorkflowJob | None:
    share = shares.get(task)
    return None if share is None else works.get(share)


def _stage(child: Issue, job: WorkflowJob | None, *, is_gone: bool) -> str:
    """Return the state of a task: by the job of its share until finalize has labelled it."""
    labels = {label.lower() for label in child.labels}
    stages = sorted(label for label in labels if label.startswith(f"{LABEL}:"))
    is_open = bool(labels.intersection(_OPEN))
    if is_open and job is not None:
        return _work_stage(job)
    if RUNNING in labels and is_gone:
        return "interrupted"
    if stages:
        return stages[0].partition(":")[2]
    return "open" if child.is_open else "closed"


def _work_stage(job: WorkflowJob) -> str:
    if job.status == "completed":
        return WORKED if job.conclusion in ("success", "failure") else "interrupted"
    return "queued" if job.status in _WAITING else "running"


def _row(one: WorkflowJob, status: RunStatus) -> str:
    state = one.conclusion or one.status
    cells = (one.name, _tasks(one, status), state, one.started_at)
    return f"| {' | '.join(map(as_cell, cells))} |"


def _tasks(job: WorkflowJob, status: RunStatus) -> str:
    """Return the issues of the job's share."""
    rows: Iterable[PlanRow] = status.rows if job.share is not None else ()
    return " ".join(f"#{row.number}" for row in rows if row.share == job.share)


def _tell_of_gone(gone: Sequence[int]) -> Iterator[str]:
    for number in gone:
        yield (
            f"GitHub has no workflow run {number} any more, so no job of it works on. What it "
            "has not saved can be done again: `/orchestrate retry`."
        )
