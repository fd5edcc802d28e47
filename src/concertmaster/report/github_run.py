"""Describes the state of a run on GitHub as values and as lines of text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from concertmaster.text.display import count, display, duration

COLUMNS = ("task", "issue", "state", "job", "title")


class GitHubState(StrEnum):
    """The state of a task as GitHub shows it.

    The first four are labels of the issue; the others apply to an issue without such a label.
    """

    LANDED = "landed"
    FAILED = "failed"
    RUNNING = "running"
    QUEUED = "queued"
    CLOSED = "closed"
    OPEN = "open"
    MISSING = "missing"  # its issue was deleted, or is not visible yet


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskView:
    """The state of a task and of its issue.

    `job` is the state of the job that owns the task's share, "" if it is unknown.
    """

    task: str
    number: int
    title: str
    standing: GitHubState
    is_closed: bool
    share: int | None
    job: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """The state of a run, with all that is displayed of it.

    `jobs` are name and state of the jobs other than the shares. Times are seconds since the epoch.
    """

    parent: int
    title: str
    run: str
    is_over: bool
    tasks: tuple[TaskView, ...]
    jobs: tuple[tuple[str, str], ...]
    began_at: float | None
    ended_at: float | None
    report: str

    @property
    def has_landed(self) -> bool:
        """The run has tasks, and all of them are on the target."""
        return bool(self.tasks) and all(task.standing is GitHubState.LANDED for task in self.tasks)

    def elapsed_seconds(self, now: float) -> float:
        """Return the seconds from the plan to the end of the run, or to `now` while it goes on.

        Return 0.0 if the beginning is unknown.
        """
        ended = now if self.ended_at is None else self.ended_at
        return 0.0 if self.began_at is None else max(0.0, ended - self.began_at)


def view_headline(view: RunView, now: float) -> Iterator[str]:
    """Yield the summary of the run, in one to three lines."""
    if not view.run:
        yield _name(view)
        return
    standings = Counter(task.standing for task in view.tasks)
    states = ", ".join(f"{standings[one]} {one}" for one in GitHubState if standings[one])
    tasks = count(len(view.tasks), "task")
    time = duration(view.elapsed_seconds(now))
    yield f"{_name(view)}: {tasks}, {states}; {time}{', over' * view.is_over}"
    if view.jobs:
        yield f"jobs: {', '.join(f'{name} {word}' for name, word in view.jobs)}"
    if view.report:
        yield f"report: {display(view.report)}"


def _name(view: RunView) -> str:
    issue = f"#{view.parent} {view.title}"
    return f"run {view.run} of {issue}" if view.run else f"no run of {issue} is to be seen"


def view_row(task: TaskView) -> tuple[str, ...]:
    """Return the cells of a task's row, in the order of COLUMNS."""
    job = f"work ({task.share}) {task.job}" if task.job else ""
    return (task.task, f"#{task.number}", task.standing, job, task.title)


def tell_changes(before: RunView | None, after: RunView) -> Iterator[str]:
    """Yield one line for each task and each job whose state changed.

    Without an earlier view, every task and job counts as changed.
    """
    if before is None or before.run != after.run:
        yield _name(after)
    old_tasks = {task.task: task for task in before.tasks} if before else {}
    for task in after.tasks:
        if old_tasks.get(task.task) != task:
            yield " ".join(filter(None, view_row(task)))
    old_jobs = set(before.jobs) if before else set()
    yield from (f"job {name} {word}" for name, word in after.jobs if (name, word) not in old_jobs)
