"""Decides how long a run pauses after a usage limit."""

from __future__ import annotations

from concertmaster.events import PhaseFailed
from concertmaster.run.state import RunState

# The pause if nobody says when a usage limit ends; doubled while no phase finishes.
FIRST_PAUSE_SECONDS = 60.0
LONGEST_GUESS_SECONDS = 3600.0
MOST_DOUBLINGS = 10
# Where somebody does, and is wrong: the least for the second pause in a row, doubled as well.
LEAST_SECOND_PAUSE_SECONDS = 15.0


def end_of_pause(state: RunState, event: PhaseFailed) -> float:
    """Return when the run may go on, in epoch seconds; 0 if the pause would be too long.

    A limit that is met again right after a pause did not end at the time it was said to.
    """
    doubled = 2.0 ** min(state.pauses, MOST_DOUBLINGS)
    guess = min(FIRST_PAUSE_SECONDS * doubled, LONGEST_GUESS_SECONDS)
    least = min(LEAST_SECOND_PAUSE_SECONDS * doubled / 2, LONGEST_GUESS_SECONDS)
    told = max(event.resumes_at, event.at + least) if state.pauses else event.resumes_at
    until = told if event.resumes_at else event.at + guess
    longest = state.plan.settings.longest_pause_seconds
    is_too_late = longest is not None and until - event.at > longest
    return 0.0 if is_too_late else max(until, event.at)
