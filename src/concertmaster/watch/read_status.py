"""Reads the state of a run from issues, comments and jobs on GitHub."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from concertmaster.comments.plan_comment import REPORT_KIND, task_of_child
from concertmaster.comments.plan_data import PlanRow, read_plan
from concertmaster.github.labels import LABEL
from concertmaster.github.models import Comment, Issue, WorkflowJob, read_seconds
from concertmaster.report.github_run import GitHubState, RunView, TaskView
from concertmaster.text.display import display
from concertmaster.text.marks import read_marks

_RUN_OF_WORKFLOW = re.compile("(?:i[0-9]+-)?w([1-9][0-9]{0,17})")
_LABELLED = (GitHubState.LANDED, GitHubState.FAILED, GitHubState.RUNNING, GitHubState.QUEUED)


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedRun:
    """The newest run of a parent issue; `id` is "" if there is none yet.

    `children` are by task. `workflows` are the ids of the run's workflow runs. `report` is the URL
    of the report comment, or "".
    """

    parent: Issue
    id: str = ""
    rows: tuple[PlanRow, ...] = ()
    children: Mapping[str, Issue] = field(default_factory=dict)
    workflows: tuple[int, ...] = ()
    began_at: float | None = None
    report: str = ""

    @property
    def is_complete(self) -> bool:
        """True if the child issue of each planned task was found."""
        return bool(self.rows) and all(row.task in self.children for row in self.rows)


def find_watched_run(
    parent: Issue, *, issues: Sequence[Issue], comments: Sequence[Comment]
) -> WatchedRun:
    """Return the run of the newest plan comment on the parent issue.

    Only comments by an author of the child issues count, because anybody can write a mark.
    """
    children = _find_children(parent, issues)
    writers = {child.author for child in children.values()}
    ours = [comment for comment in comments if comment.author in writers]
    plans = ((one, read_plan(one.body)) for one in reversed(ours))
    comment, plan = next(((one, plan) for one, plan in plans if plan and plan.rows), (None, None))
    if comment is None or plan is None:
        return _unplanned(parent, children)
    return WatchedRun(
        parent=parent,
        id=plan.run,
        rows=plan.rows,
        children=children,
        workflows=_workflows(plan.run, plan.workflows),
        began_at=read_seconds(comment.created_at),
        report=_find_report(ours, plan.run),
    )


def _unplanned(parent: Issue, children: Mapping[str, Issue]) -> WatchedRun:
    """Return the run without a plan comment, which is written after the child issues."""
    if not children:
        return WatchedRun(parent=parent)
    newest = max(children.values(), key=lambda child: child.number)
    run = read_marks(newest.body)[0].run
    return WatchedRun(
        parent=parent,
        id=run,
        rows=tuple(PlanRow(task=task, number=child.number) for task, child in children.items()),
        children=children,
        workflows=_workflows(run),
        began_at=read_seconds(min(child.created_at for child in children.values())),
    )


def _find_children(parent: Issue, issues: Sequence[Issue]) -> Mapping[str, Issue]:
    """Return the child issues by task; the oldest if a task has several."""
    found: dict[str, Issue] = {}
    for issue in sorted(issues, key=lambda one: one.number):
        task = _task_of(issue, parent.number)
        if task:
            found.setdefault(task, issue)
    return found


def _task_of(issue: Issue, parent: int) -> str:
    return task_of_child(issue.body, parent=parent) if LABEL in _labels(issue) else ""


def _find_report(comments: Sequence[Comment], run: str) -> str:
    reports = (
        one.url
        for one in reversed(comments)
        if any((mark.run, mark.kind) == (run, REPORT_KIND) for mark in read_marks(one.body))
    )
    return next(reports, "")


def _workflows(run: str, known: Sequence[int] = ()) -> tuple[int, ...]:
    """Return the ids of the workflow runs that the plan comment and the run's id name."""
    named = _RUN_OF_WORKFLOW.fullmatch(run)
    return tuple(sorted({*known, *([int(named[1])] if named else [])}))


def view_run(run: WatchedRun, jobs: Sequence[WorkflowJob]) -> RunView:
    """Return the state of the run, with the jobs that work on its tasks."""
    works = {job.share: job for job in jobs if job.share is not None}
    tasks = tuple(_view_task(row, run.children.get(row.task), works) for row in run.rows)
    is_over = not run.parent.is_open or (bool(tasks) and all(task.is_closed for task in tasks))
    return RunView(
        parent=run.parent.number,
        title=display(run.parent.title, limit=100),
        run=run.id,
        is_over=is_over,
        tasks=tasks,
        jobs=tuple(
            (display(job.name, limit=60), _say_job(job))
            for job in jobs
            if job.share is None and job.conclusion != "skipped"
        ),
        began_at=run.began_at,
        ended_at=_ended_at(run) if is_over else None,
        report=run.report,
    )


def _view_task(row: PlanRow, child: Issue | None, works: Mapping[int, WorkflowJob]) -> TaskView:
    job = works.get(row.share) if row.share is not None else None
    return TaskView(
        task=row.task,
        number=child.number if child else row.number,
        title=display(child.title, limit=80) if child else "",
        standing=_standing(child),
        is_closed=child is None or not child.is_open,
        share=row.share,
        job=_say_job(job) if job else "",
    )


def _standing(child: Issue | None) -> GitHubState:
    if child is None:
        return GitHubState.MISSING
    for standing in _LABELLED:
        if f"{LABEL}:{standing}" in _labels(child):
            return standing
    return GitHubState.OPEN if child.is_open else GitHubState.CLOSED


def _labels(issue: Issue) -> set[str]:
    """Return the labels in lower case: GitHub keeps the case of whoever made a label first."""
    return {label.lower() for label in issue.labels}


def _say_job(job: WorkflowJob) -> str:
    word = job.conclusion if job.status == "completed" else job.status
    return display(word.replace("_", " "), limit=20)


def _ended_at(run: WatchedRun) -> float | None:
    closed = max((child.closed_at for child in run.children.values()), default="")
    return read_seconds(run.parent.closed_at or closed)
