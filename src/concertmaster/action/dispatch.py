"""Starts the next round of a run by a workflow dispatch."""

from __future__ import annotations

from concertmaster.action.job import Job
from concertmaster.comments import pull_request
from concertmaster.github.errors import NotAllowed
from concertmaster.github.workflows import NotDispatchable
from concertmaster.rounds.history import History


def dispatch_round(job: Job, history: History, *, number: int, ref: str = "") -> None:
    """Start the round in the workflow of this job; if that is not possible, say how to do it.

    `ref` is the branch whose workflow file runs, that of this job if it is "".
    """
    workflow = job.settings.workflow_ref
    ref = ref or workflow.partition("@")[2].removeprefix("refs/heads/")
    # The workflow's concurrency group needs the issue, which it cannot derive from the run's id.
    inputs = {"run": history.run, "round": str(number), "issue": str(history.parent)}
    try:
        job.issue_client.workflows.dispatch(workflow, ref=ref, inputs=inputs)
    except NotDispatchable as error:
        job.console.note(f"round {number} of {history.run} cannot be started: {error.why}")
        job.write_summary(pull_request.dispatch_help(workflow))
    except NotAllowed as error:
        job.console.note(f"round {number} of {history.run} cannot be started: {error.why}")
        job.write_summary(f"{error.what}: {error.why}\n\n{error.next_step}")
