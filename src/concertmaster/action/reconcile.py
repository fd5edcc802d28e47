"""Compares the history of a run with its pull requests on GitHub."""

from __future__ import annotations

from concertmaster.github.errors import NotFound
from concertmaster.github.issues import IssueClient
from concertmaster.rounds import transitions
from concertmaster.rounds.history import History


def reconcile(issue_client: IssueClient, history: History) -> History:
    """Return the history after people merged, closed or reopened our pull requests."""
    numbers = {history.deciding_pull(one) for one in history.tasks.values()}
    for number in sorted(numbers - {0}):
        try:
            found = issue_client.issue(number)
        except NotFound:
            continue
        if found.is_pull:
            is_open, is_merged = found.is_open, found.is_merged
            history = transitions.settle_pull(history, number, is_open=is_open, is_merged=is_merged)
    return history
