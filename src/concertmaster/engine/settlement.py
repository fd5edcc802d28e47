"""Rounds that begin because a person merged or closed a pull request of ours, or the time came."""

from __future__ import annotations

from collections.abc import Iterator

from concertmaster.adapters import statebranch
from concertmaster.adapters.issue import Issue
from concertmaster.adapters.refusal import NotAllowed
from concertmaster.adapters.repository import Repository
from concertmaster.adapters.statebranch import State
from concertmaster.adapters.workflows import NotDispatchable
from concertmaster.core import notice, rounds
from concertmaster.core.history import History
from concertmaster.core.neutral import read_marks
from concertmaster.core.trigger import Kind, Trigger
from concertmaster.engine.children import RUNNING
from concertmaster.engine.job import Job
from concertmaster.engine.snapshot import open_clone
from concertmaster.errors import Error

FORGOTTEN_SECONDS = 3 * 86400.0  # after that a due round waits for a person


def settle(job: Job, trigger: Trigger) -> int:
    """Dispatch a round for each run that has something to do now."""
    repository = open_clone(job)
    is_pull = trigger.kind is Kind.PULL
    found = _find_closed(job, repository, trigger) if is_pull else _find_due(job, repository)
    for history, number in found:
        # The event's own ref may be that of a pull request, on which nothing can be started.
        dispatch(job, history, number=number, ref=repository.current_branch() or "")
    return 0


def _find_closed(
    job: Job, repository: Repository, trigger: Trigger
) -> Iterator[tuple[History, int]]:
    """The run whose pull request this is, if it waits for that one."""
    issue = job.forge.issue(trigger.pull)
    runs = {one.run for one in read_marks(issue.body)}
    if issue.author != job.forge.viewer() or trigger.run not in runs:
        job.console.note(f"#{trigger.pull} is none of our pull requests")
        return
    state = statebranch.read(repository, job.clone_url, trigger.run, token=job.token)
    if state is None or not _is_news(state.history, issue):
        job.console.note(f"no task of run {trigger.run} waits for #{trigger.pull}")
        return
    yield state.history, state.history.round + 1


def _is_news(history: History, pull: Issue) -> bool:
    """It settles something that is not settled, or otherwise than before."""
    is_open, is_merged = pull.is_open, pull.is_merged
    after = rounds.settle_pull(history, pull.number, is_open=is_open, is_merged=is_merged)
    return after != history


def _find_due(job: Job, repository: Repository) -> Iterator[tuple[History, int]]:
    for run in statebranch.find(repository, job.clone_url, token=job.token):
        state = _read(job, repository, run)
        due = state.history.due if state else None
        if state is None or due is None:
            continue
        late = job.clock.now() - due.at
        if 0 <= late <= FORGOTTEN_SECONDS and not _is_running(job, state.history):
            yield state.history, due.round


def _read(job: Job, repository: Repository, run: str) -> State | None:
    """What one run has broken is no reason to leave the others waiting."""
    try:
        return statebranch.read(repository, job.clone_url, run, token=job.token)
    except Error as error:
        job.console.note(f"run {run} is left alone: {error.what}: {error.why}")
        return None


def _is_running(job: Job, history: History) -> bool:
    """A round of it was handed out and is not over, so what is due may be just that."""
    try:
        is_running = RUNNING in job.forge.issue(history.parent).labels
    except Error as error:
        job.console.note(f"run {history.run} is left alone: {error.what}: {error.why}")
        return True
    if is_running:
        job.console.note(f"a round of {history.run} is going on; #{history.parent} is {RUNNING}")
    return is_running


def dispatch(job: Job, history: History, *, number: int, ref: str = "") -> None:
    """Start that round in the workflow that this job is of; where that cannot be, say how.

    `ref` is the branch whose workflow file is taken, the one of this job where it is "".
    """
    workflow = job.settings.workflow_ref
    ref = ref or workflow.partition("@")[2].removeprefix("refs/heads/")
    # The issue is for the concurrency group of the workflow, which no run's id can be made of.
    inputs = {"run": history.run, "round": str(number), "issue": str(history.parent)}
    try:
        job.forge.workflows.dispatch(workflow, ref=ref, inputs=inputs)
    except NotDispatchable as error:
        job.console.note(f"round {number} of {history.run} cannot be started: {error.why}")
        job.write_summary(notice.dispatch_help(workflow))
    except NotAllowed as error:
        job.console.note(f"round {number} of {history.run} cannot be started: {error.why}")
        job.write_summary(f"{error.what}: {error.why}\n\n{error.next_step}")
