"""Keeps one issue that tells why the schedule could not start.

Nobody reads the log of a job that runs at night.
"""

from __future__ import annotations

from concertmaster.action.child_issues import keep_oldest
from concertmaster.action.job import Job
from concertmaster.comments import schedule_issue as text
from concertmaster.errors import Error
from concertmaster.github.event import Trigger
from concertmaster.github.labels import FAILED, LABEL, LABELS
from concertmaster.github.models import Issue, IssueDraft


def report_schedule(job: Job, trigger: Trigger, reason: str) -> None:
    """Open the issue, or update the one that is there; `reason` is Markdown of ours.

    What GitHub refuses is only noted, because the caller raises the reason itself.
    """
    job.write_summary(reason)
    body = text.schedule_issue(reason, run=trigger.run, workflow_url=job.workflow_url)
    try:
        _write_issue(job, body, run=trigger.run)
    except Error as error:
        job.console.note(f"no issue tells of it: {error.what}: {error.why}")


def _write_issue(job: Job, body: str, *, run: str) -> None:
    client = job.issue_client
    client.ensure_labels(LABELS)
    draft = IssueDraft(key="", title=text.TITLE, body=body)

    def look_up() -> Issue | None:
        return _find(job, run=run)

    issue = client.create_issue(draft, (LABEL, FAILED), look_up=look_up)
    client.change_issue(issue, title=text.TITLE, body=body, is_open=True)


def close_schedule_issue(job: Job, trigger: Trigger) -> None:
    """Close the issue if there is an open one: the schedule has started a run."""
    found = _find(job, run=trigger.run)
    if found and found.is_open:
        job.issue_client.close_issue(found.number)


def _find(job: Job, *, run: str) -> Issue | None:
    viewer = job.issue_client.viewer()
    ours = [
        issue
        for issue in job.issue_client.labelled(FAILED)
        if issue.author == viewer and text.is_schedule_issue(issue.body)
    ]
    return keep_oldest(job.issue_client, ours, run=run) if ours else None
