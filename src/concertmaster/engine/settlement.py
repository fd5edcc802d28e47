"""Rounds that begin because a person merged or closed a pull request of ours, or the time came."""

from __future__ import annotations

from collections.abc import Iterator

from concertmaster.adapters import statebranch
from concertmaster.adapters.workflows import NotDispatchable
from concertmaster.core import notice
from concertmaster.core.history import History
from concertmaster.core.model import TaskState
from concertmaster.core.neutral import read_marks
from concertmaster.core.trigger import Kind, Trigger
from concertmaster.engine.job import Job
from concertmaster.engine.snapshot import open_clone


def settle(job: Job, trigger: Trigger) -> int:
    """Dispatch a round for each run that has something to do now."""
    found = _find_closed(job, trigger) if trigger.kind is Kind.PULL else _find_due(job)
    for history, number in found:
        dispatch(job, history, number=number)
    return 0


def _find_closed(job: Job, trigger: Trigger) -> Iterator[tuple[History, int]]:
    """The run whose pull request this is, if it waits for that one."""
    issue = job.forge.issue(trigger.pull)
    runs = {one.run for one in read_marks(issue.body)}
    if issue.author != job.forge.viewer() or trigger.run not in runs:
        job.console.note(f"#{trigger.pull} is none of our pull requests")
        return
    state = statebranch.read(open_clone(job), job.clone_url, trigger.run, token=job.token)
    if state is None or not _waits_for(state.history, trigger.pull):
        job.console.note(f"no task of run {trigger.run} waits for #{trigger.pull}")
        return
    yield state.history, state.history.round + 1


def _waits_for(history: History, pull: int) -> bool:
    waiting = [one for one in history.tasks if one.state is TaskState.AWAITING_MERGE]
    return any(pull in (one.pull, history.pull) for one in waiting)


def _find_due(job: Job) -> Iterator[tuple[History, int]]:
    repository = open_clone(job)
    url, token = job.clone_url, job.token
    for run in statebranch.find(repository, url, token=token):
        state = statebranch.read(repository, url, run, token=token)
        due = state.history.due if state else None
        if state is not None and due is not None and due.at <= job.clock.now():
            yield state.history, due.round


def dispatch(job: Job, history: History, *, number: int) -> None:
    """Start that round in the workflow that this job is of; where it takes none, say how."""
    workflow = job.settings.workflow_ref
    ref = workflow.partition("@")[2].removeprefix("refs/heads/")
    inputs = {"run": history.run, "round": str(number)}
    try:
        job.forge.workflows.dispatch(workflow, ref=ref, inputs=inputs)
    except NotDispatchable as error:
        job.console.note(f"round {number} of {history.run} cannot be started: {error.why}")
        job.write_summary(notice.dispatch_help(workflow))
