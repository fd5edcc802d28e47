"""The control job: quick answers on an issue while its run goes on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping

from concertmaster.adapters.issue import Issue
from concertmaster.adapters.issue import Job as WorkflowJob
from concertmaster.adapters.refusal import Unsupported
from concertmaster.core import bulletin
from concertmaster.core.comment import Verb, help_comment
from concertmaster.core.neutral import as_cell, read_marks
from concertmaster.core.text import count
from concertmaster.engine.children import LABEL
from concertmaster.engine.job import Job
from concertmaster.engine.reception import Rejected, Request, answer, receive
from concertmaster.errors import UsageError

_WORKFLOW_RUN = re.compile(r"/actions/runs/([1-9][0-9]{0,15})\)")


def control(job: Job) -> int:
    """Answer help, status and cancel; everything else is for the plan job."""
    received = receive(job)
    if isinstance(received, Rejected):
        job.console.note(f"nothing to do: {received.reason}")
        return 0
    compose = _ANSWERS.get(received.order.verb)
    if compose is None:
        job.console.note(f"{received.order.verb} is for the plan job")
        return 0
    answer(job, received.trigger, compose(job, received))
    return 0


def _help(job: Job, request: Request) -> str:
    return help_comment()


def _status(job: Job, request: Request) -> str:
    """Progress by the labels of the child issues and by the jobs of the workflow run."""
    parent = request.trigger.issue
    found = _find_workflow_run(job, parent)
    if found is None:
        return "There is no run on this issue yet. Write `/orchestrate` to start one."
    labels = Counter(_stage(child) for child in _children(job, parent))
    counts = ", ".join(f"{number} {stage}" for stage, number in sorted(labels.items()))
    rows = [_row(one) for one in job.forge.jobs(found)]
    table = ["| job | status | since |", "|---|---|---|", *rows]
    return "\n".join([f"{count(sum(labels.values()), 'task')}: {counts or 'none'}", "", *table])


def _children(job: Job, parent: int) -> tuple[Issue, ...]:
    try:
        return job.forge.sub_issues(parent)
    except Unsupported:
        return ()


def _stage(child: Issue) -> str:
    stages = [label.partition(":")[2] for label in child.labels if label.startswith(f"{LABEL}:")]
    return stages[0] if stages else "closed" if not child.is_open else "open"


def _row(one: WorkflowJob) -> str:
    state = one.conclusion or one.status
    return f"| {as_cell(one.name)} | {as_cell(state)} | {as_cell(one.started_at)} |"


def _cancel(job: Job, request: Request) -> str:
    """The workflow run ends; its work jobs upload what they have, nothing more lands."""
    found = _find_workflow_run(job, request.trigger.issue)
    if found is None:
        return "There is no run on this issue, so there is nothing to cancel."
    job.forge.cancel_run(found)
    return (
        "The run is being cancelled: its agents are stopped, what they have done is kept, "
        "and nothing more lands."
    )


def _find_workflow_run(job: Job, issue: int) -> int | None:
    """Of the newest plan on the issue; only what we wrote counts."""
    if not issue:
        raise UsageError(
            "the event names no issue", next_step="write the command as a comment on an issue"
        )
    viewer = job.forge.viewer()
    for comment in reversed(job.forge.comments(issue)):
        kinds = {one.kind for one in read_marks(comment.body)}
        found = _WORKFLOW_RUN.search(comment.body)
        if comment.author == viewer and bulletin.PLAN_KIND in kinds and found:
            return int(found[1])
    return None


_ANSWERS: Mapping[Verb, Callable[[Job, Request], str]] = {
    Verb.HELP: _help,
    Verb.STATUS: _status,
    Verb.CANCEL: _cancel,
}
