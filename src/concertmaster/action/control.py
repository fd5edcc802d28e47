"""Runs the control job, which answers commands on an issue while its run goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from concertmaster.action.authorize import (
    AuthorizedRequest,
    RejectedRequest,
    answer_event,
    authorize,
)
from concertmaster.action.child_issues import find_children
from concertmaster.action.due_rounds import settle_due_rounds
from concertmaster.action.find_plan import find_plan
from concertmaster.action.job import Job
from concertmaster.action.status import RunStatus, status_comment
from concertmaster.comments.plan_data import PlanData
from concertmaster.errors import UsageError
from concertmaster.github.errors import NotFound
from concertmaster.github.event import EventKind, Trigger
from concertmaster.github.models import Issue, WorkflowJob
from concertmaster.github.slash_command import CommandVerb, help_comment
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
    """Return the progress by the jobs of the workflow run and the labels of the child issues."""
    found = _read_plan(job, request.trigger.issue)
    if found is None:
        return "There is no run on this issue yet. Write `/orchestrate` to start one."
    jobs: list[WorkflowJob] = []
    gone: list[int] = []
    for number in found.workflows:
        try:
            jobs += job.issue_client.jobs(number)
        except NotFound:
            gone.append(number)
    children = _children(job, request.trigger.issue, run=found.run)
    return status_comment(RunStatus(rows=found.rows, children=children, jobs=jobs, gone=gone))


def _children(job: Job, issue: int, *, run: str) -> dict[str, Issue]:
    """Return the issue of each task of this run, without those of earlier lists."""
    parent = job.issue_client.issue(issue)
    found = find_children(job.issue_client, parent, viewer=job.issue_client.viewer())
    oldest = {task: issues[0] for task, issues in found.issues.items()}
    return {
        task: one
        for task, one in oldest.items()
        if any(mark.run == run for mark in read_marks(one.body))
    }


def _cancel(job: Job, request: AuthorizedRequest) -> str:
    """Cancel the workflow run. Its work jobs upload what they have, and nothing more lands."""
    found = _read_plan(job, request.trigger.issue)
    if found is None:
        return "There is no run on this issue, so there is nothing to cancel."
    gone = [number for number in found.workflows if not _cancel_one(job, number)]
    if len(gone) == len(found.workflows):
        return (
            "Nothing is to be cancelled: GitHub has the workflow run of this plan no more. "
            "What it has not saved can be done again: `/orchestrate retry`."
        )
    return (
        "The run is being cancelled: its agents are stopped, what they have done is kept, "
        "and nothing more lands."
    )


def _cancel_one(job: Job, workflow: int) -> bool:
    """Request the cancellation; return False if GitHub has no such workflow run."""
    try:
        job.issue_client.cancel_run(workflow)
    except NotFound:
        return False
    return True


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
