"""Takes a task out of the batch that is being checked."""

from __future__ import annotations

from dataclasses import replace

from concertmaster.landing.merge_queue import Landing, with_batch


def is_being_decided(landing: Landing, task: str) -> bool:
    """Return whether an answer is due that may say that the task has landed or has to wait."""
    is_due = bool(landing.asked) or landing.is_landing
    return is_due and any(one.task == task for one in landing.batch)


def withdraw(landing: Landing, task: str) -> Landing:
    """Return the state without the task in its batch.

    The prefix before it that has passed lands; all others are collected anew.
    """
    places = [place for place, one in enumerate(landing.batch) if one.task == task]
    if not places:
        return landing
    if not 0 < landing.passed <= places[0]:
        return with_batch(landing, ())
    return replace(
        landing, batch=landing.batch[: landing.passed], failed=None, confirmations=0, red_reason=""
    )
