"""Runs the control job, which answers commands on an issue while its run goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from concertmaster.action.authorize import (
    AuthorizedRequest,
    RejectedRequest,
    answer_event,
    authorize,
)
from concertmaster.action.child_issues import LABEL, find_children
from concertmaster.action.due_rounds import settle_due_rounds
from concertmaster.action.find_plan import find_plan
from concertmaster.action.job import Job
from concertmaster.comments.plan_data import PlanData
from concertmaster.errors import UsageError
from concertmaster.github.event import EventKind, Trigger
from concertmaster.github.models import Issue, WorkflowJob
from concertmaster.github.slash_command import CommandVerb, help_comment
from concertmaster.text.display import count
from concertmaster.text.markdown import as_cell
from concertmaster.text.marks import read_marks


def control(job: Job) -> int:
    """Answer help, status and cancel, and dispatch rounds that are due. Return the exit code.

    All other commands are for the plan job.
    """
    trigger = job.trigger()
    if isinstance(trigger, Trigger) and trigger.kind in (EventKind.PULL, EventKind.SCHEDULE):
        return settle_due_rounds(job, trigger)
    received = authorize(job)
    if isinstance(received, RejectedRequest):
        job.console.note(f"nothing to do: {received.reason}")
        return 0
    compose = _ANSWERS.get(received.order.verb)
    if compose is None:
        job.console.note(f"{received.order.verb} is for the plan job")
        return 0
    answer_event(job, received.trigger, compose(job, received))
    return 0


def _help(job: Job, request: AuthorizedRequest) -> str:
    return help_comment()


def _status(job: Job, request: AuthorizedRequest) -> str:
    """Return the progress by labels of the child issues and by jobs of the workflow run."""
    found = _read_plan(job, request.trigger.issue)
    if found is None:
        return "There is no run on this issue yet. Write `/orchestrate` to start one."
    children = _children(job, request.trigger.issue, run=found.run)
    labels = Counter(map(_stage, children))
    counts = ", ".join(f"{number} {stage}" for stage, number in sorted(labels.items()))
    rows = [_row(one) for number in found.workflows for one in job.issue_client.jobs(number)]
    table = ["| job | status | since |", "|---|---|---|", *rows]
    return "\n".join([f"{count(sum(labels.values()), 'task')}: {counts or 'none'}", "", *table])


def _children(job: Job, issue: int, *, run: str) -> list[Issue]:
    """Return one issue for each task of this run, without those of earlier lists."""
    parent = job.issue_client.issue(issue)
    found = find_children(job.issue_client, parent, viewer=job.issue_client.viewer())
    oldest = [issues[0] for issues in found.issues.values()]
    return [one for one in oldest if any(mark.run == run for mark in read_marks(one.body))]


def _stage(child: Issue) -> str:
    stages = [label.partition(":")[2] for label in child.labels if label.startswith(f"{LABEL}:")]
    return stages[0] if stages else "closed" if not child.is_open else "open"


def _row(one: WorkflowJob) -> str:
    state = one.conclusion or one.status
    return f"| {as_cell(one.name)} | {as_cell(state)} | {as_cell(one.started_at)} |"


def _cancel(job: Job, request: AuthorizedRequest) -> str:
    """Cancel the workflow run. Its work jobs upload what they have, and nothing more lands."""
    found = _read_plan(job, request.trigger.issue)
    if found is None:
        return "There is no run on this issue, so there is nothing to cancel."
    for number in found.workflows:
        job.issue_client.cancel_run(number)
    return (
        "The run is being cancelled: its agents are stopped, what they have done is kept, "
        "and nothing more lands."
    )


def _read_plan(job: Job, issue: int) -> PlanData | None:
    """Return the plan that is going on below the issue; None if there is none."""
    if not issue:
        raise UsageError(
            "the event names no issue", next_step="write the command as a comment on an issue"
        )
    return find_plan(job, issue)


_ANSWERS: Mapping[CommandVerb, Callable[[Job, AuthorizedRequest], str]] = {
    CommandVerb.HELP: _help,
    CommandVerb.STATUS: _status,
    CommandVerb.CANCEL: _cancel,
}
