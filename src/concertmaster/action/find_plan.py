"""Finds the run that is going on below an issue."""

from __future__ import annotations

from concertmaster.action.job import Job
from concertmaster.comments.plan_data import PlanData, read_plan


def find_plan(job: Job, issue: int) -> PlanData | None:
    """Return the newest plan on the issue that we wrote and handed out; None if there is none.

    A dry run is not handed out: it has no workflow run.
    """
    viewer = job.issue_client.viewer()
    for comment in reversed(job.issue_client.comments(issue)):
        plan = read_plan(comment.body, repository_url=job.repository_url)
        if comment.author == viewer and plan is not None and plan.workflows:
            return plan
    return None
