"""Dispatches rounds because a person settled one of our pull requests, or because they are due."""

from __future__ import annotations

from collections.abc import Iterator

from concertmaster.action.dispatch import dispatch_round
from concertmaster.action.job import Job
from concertmaster.errors import Error
from concertmaster.git.repository import Repository
from concertmaster.github.event import EventKind, Trigger
from concertmaster.github.labels import RUNNING
from concertmaster.github.models import Issue
from concertmaster.rounds import next_round, state_branch, transitions
from concertmaster.rounds.history import History
from concertmaster.rounds.state_branch import SavedState
from concertmaster.text.marks import read_marks

FORGOTTEN_SECONDS = 3 * 86400.0  # a round that is longer overdue waits for a person


def settle_due_rounds(job: Job, trigger: Trigger) -> int:
    """Dispatch a round for each run that has something to do now."""
    repository = job.clone()
    is_pull = trigger.kind is EventKind.PULL
    found = _find_closed(job, repository, trigger) if is_pull else _find_due(job, repository)
    for history, number in found:
        # The event's ref may be that of a pull request, where no workflow can be dispatched.
        dispatch_round(job, history, number=number, ref=repository.current_branch() or "")
    return 0


def _find_closed(
    job: Job, repository: Repository, trigger: Trigger
) -> Iterator[tuple[History, int]]:
    """Yield the run of this pull request and its next round, if the run waits for it."""
    issue = job.issue_client.issue(trigger.pull)
    runs = {one.run for one in read_marks(issue.body)}
    if issue.author != job.issue_client.viewer() or trigger.run not in runs:
        job.console.note(f"#{trigger.pull} is none of our pull requests")
        return
    state = state_branch.read(repository, job.remote, trigger.run)
    if state is None or not _is_news(state.history, issue):
        job.console.note(f"no task of run {trigger.run} waits for #{trigger.pull}")
        return
    yield state.history, state.history.round + 1


def _is_news(history: History, pull: Issue) -> bool:
    """Return whether the pull request's state changes the history."""
    is_open, is_merged = pull.is_open, pull.is_merged
    after = transitions.settle_pull(history, pull.number, is_open=is_open, is_merged=is_merged)
    return after != history


def _find_due(job: Job, repository: Repository) -> Iterator[tuple[History, int]]:
    """Yield each run with a round that is due and the number of that round."""
    for run in state_branch.find(repository, job.remote):
        state = _read(job, repository, run)
        due = state.history.due if state else None
        if state is None or due is None:
            continue
        late = job.clock.now() - due.at
        is_open = due.reason == next_round.UNANSWERED  # nothing could take the label away
        if 0 <= late <= FORGOTTEN_SECONDS and (is_open or not _is_running(job, state.history)):
            yield state.history, due.round


def _read(job: Job, repository: Repository, run: str) -> SavedState | None:
    """Return the saved state; None if it is not valid, so that the other runs still go on."""
    try:
        return state_branch.read(repository, job.remote, run)
    except Error as error:
        job.console.note(f"run {run} is left alone: {error.what}: {error.why}")
        return None


def _is_running(job: Job, history: History) -> bool:
    """Return whether a round of the run is going on, which may be the one that is due.

    A parent issue that cannot be read counts as running.
    """
    try:
        is_running = RUNNING in job.issue_client.issue(history.parent).labels
    except Error as error:
        job.console.note(f"run {history.run} is left alone: {error.what}: {error.why}")
        return True
    if is_running:
        job.console.note(f"a round of {history.run} is going on; #{history.parent} is {RUNNING}")
    return is_running
