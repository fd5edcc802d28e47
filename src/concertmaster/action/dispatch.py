"""Starts the next round of a run by a workflow dispatch."""

from __future__ import annotations

from concertmaster.action.job import Job
from concertmaster.comments import pull_request
from concertmaster.github.errors import NotAllowed
from concertmaster.github.workflows import NotDispatchable
from concertmaster.rounds.history import History


def dispatch_round(job: Job, history: History, *, number: int, ref: str = "") -> None:
    """Start that round in the workflow that this job is of; where that cannot be, say how.

    `ref` is the branch whose workflow file is taken, the one of this job where it is "".
    """
    workflow = job.settings.workflow_ref
    ref = ref or workflow.partition("@")[2].removeprefix("refs/heads/")
    # The issue is for the concurrency group of the workflow, which no run's id can be made of.
    inputs = {"run": history.run, "round": str(number), "issue": str(history.parent)}
    try:
        job.issue_client.workflows.dispatch(workflow, ref=ref, inputs=inputs)
    except NotDispatchable as error:
        job.console.note(f"round {number} of {history.run} cannot be started: {error.why}")
        job.write_summary(pull_request.dispatch_help(workflow))
    except NotAllowed as error:
        job.console.note(f"round {number} of {history.run} cannot be started: {error.why}")
        job.write_summary(f"{error.what}: {error.why}\n\n{error.next_step}")
