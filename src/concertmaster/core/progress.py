"""From what issues, comments and jobs on GitHub say to how their run stands."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from concertmaster.core.bulletin import PLAN_KIND, REPORT_KIND, task_of_child
from concertmaster.core.neutral import read_marks
from concertmaster.core.standing import Standing, TaskView, View
from concertmaster.core.text import display

LABEL = "concertmaster"  # only who may triage can set it, so it tells our issues from a stranger's

_NUMBER = "([1-9][0-9]{0,17})"
_ROW = re.compile(rf"^\| ([A-Za-z0-9._-]+) \| #{_NUMBER} \| ([0-9]{{0,6}}) \|", re.MULTILINE)
_WORKFLOW = re.compile(rf"^- \[Workflow run\]\(\S+/actions/runs/{_NUMBER}\)$", re.MULTILINE)
_RUN_OF_WORKFLOW = re.compile(rf"(?:i[0-9]+-)?w{_NUMBER}")
_WORK = re.compile(r"(?:.* / )?work \(([0-9]{1,6})\)")
_LABELLED = (Standing.LANDED, Standing.FAILED, Standing.RUNNING, Standing.QUEUED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """An issue as it was seen. Times are seconds since the epoch."""

    number: int
    title: str
    body: str
    author: str
    is_open: bool
    labels: frozenset[str]
    created_at: float
    closed_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A comment of the parent; `url` is its page."""

    body: str
    author: str
    created_at: float
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job of a workflow run."""

    name: str
    status: str
    conclusion: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One task of the plan comment; `share` is None where it tells none."""

    task: str
    number: int
    share: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The newest run of a parent issue; `id` is "" where there is none yet. `workflows` are the
    numbers of the workflow runs that work on it."""

    parent: Issue
    id: str = ""
    rows: tuple[Row, ...] = ()
    children: Mapping[str, Issue] = field(default_factory=dict)
    workflows: tuple[int, ...] = ()
    began_at: float | None = None
    report: str = ""

    @property
    def is_complete(self) -> bool:
        """Every task of the plan has been found."""
        return bool(self.rows) and all(row.task in self.children for row in self.rows)


def find_run(parent: Issue, *, issues: Sequence[Issue], comments: Sequence[Comment]) -> Run:
    """The run that the parent's newest plan is about. Comments count only where the children's
    author wrote them: anybody can write a mark."""
    children = _find_children(parent, issues)
    writers = {child.author for child in children.values()}
    ours = [comment for comment in comments if comment.author in writers]
    plan = next((one for one in reversed(ours) if _run_of(one, PLAN_KIND) and _rows(one)), None)
    if plan is None:
        return _unplanned(parent, children)
    run = _run_of(plan, PLAN_KIND)
    return Run(
        parent=parent,
        id=run,
        rows=_rows(plan),
        children=children,
        workflows=_workflows(run, plan.body),
        began_at=plan.created_at,
        report=next((one.url for one in reversed(ours) if _run_of(one, REPORT_KIND) == run), ""),
    )


def _unplanned(parent: Issue, children: Mapping[str, Issue]) -> Run:
    """The children are there before the plan is."""
    if not children:
        return Run(parent=parent)
    newest = max(children.values(), key=lambda child: child.number)
    run = read_marks(newest.body)[0].run
    return Run(
        parent=parent,
        id=run,
        rows=tuple(Row(task=task, number=child.number) for task, child in children.items()),
        children=children,
        workflows=_workflows(run, ""),
        began_at=min(child.created_at for child in children.values()),
    )


def _find_children(parent: Issue, issues: Sequence[Issue]) -> Mapping[str, Issue]:
    """By task; the oldest where there are several."""
    found: dict[str, Issue] = {}
    for issue in sorted(issues, key=lambda one: one.number):
        task = _task_of(issue, parent.number)
        if task:
            found.setdefault(task, issue)
    return found


def _task_of(issue: Issue, parent: int) -> str:
    return task_of_child(issue.body, parent=parent) if LABEL in issue.labels else ""


def _run_of(comment: Comment, kind: str) -> str:
    return next((one.run for one in read_marks(comment.body) if one.kind == kind), "")


def _rows(plan: Comment) -> tuple[Row, ...]:
    """A dry run has none: its tasks have no issues."""
    return tuple(
        Row(task=task, number=int(number), share=int(share) if share else None)
        for task, number, share in _ROW.findall(plan.body)
    )


def _workflows(run: str, body: str) -> tuple[int, ...]:
    named = _RUN_OF_WORKFLOW.fullmatch(run)
    found = [*_WORKFLOW.findall(body)[:1], *([named[1]] if named else [])]
    return tuple(sorted({int(number) for number in found}))


def view_run(run: Run, jobs: Sequence[Job]) -> View:
    """How the run stands."""
    works = {int(found[1]): job for job in jobs if (found := _WORK.fullmatch(job.name))}
    tasks = tuple(_view_task(row, run.children.get(row.task), works) for row in run.rows)
    is_over = not run.parent.is_open or (bool(tasks) and all(task.is_closed for task in tasks))
    return View(
        parent=run.parent.number,
        title=display(run.parent.title, limit=100),
        run=run.id,
        is_over=is_over,
        tasks=tasks,
        jobs=tuple(
            (display(job.name, limit=60), _say_job(job))
            for job in jobs
            if not _WORK.fullmatch(job.name) and job.conclusion != "skipped"
        ),
        began_at=run.began_at,
        ended_at=_ended_at(run) if is_over else None,
        report=run.report,
    )


def _view_task(row: Row, child: Issue | None, works: Mapping[int, Job]) -> TaskView:
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


def _standing(child: Issue | None) -> Standing:
    if child is None:
        return Standing.MISSING
    for standing in _LABELLED:
        if f"{LABEL}:{standing}" in child.labels:
            return standing
    return Standing.OPEN if child.is_open else Standing.CLOSED


def _say_job(job: Job) -> str:
    word = job.conclusion if job.status == "completed" else job.status
    return display(word.replace("_", " "), limit=20)


def _ended_at(run: Run) -> float | None:
    closed = [child.closed_at for child in run.children.values() if child.closed_at is not None]
    return run.parent.closed_at or max(closed, default=None)
