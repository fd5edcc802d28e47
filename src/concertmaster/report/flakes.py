"""Counts how often the check of a run failed at random."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from concertmaster.events import BaseChecked, BatchChecked, Event


@dataclass(frozen=True, slots=True, kw_only=True)
class FlakeTotals:
    """The checks of trees that passed: how many ran, and how many of them failed all the same.

    `tests` are those that failed in them, as far as their names are known.
    """

    check: str
    checks: int = 0
    failures: int = 0
    tests: tuple[str, ...] = ()


def count_flakes(events: Iterable[Event], *, check: str) -> FlakeTotals:
    """Return the totals of the check; a tree that never passed tells nothing."""
    ran = [
        event
        for event in events
        if isinstance(event, BaseChecked) or (isinstance(event, BatchChecked) and not event.cached)
    ]
    sound = {event.tree for event in ran if event.passed}
    failed = [event for event in ran if event.tree in sound and not event.passed]
    named = (event.failing for event in failed if isinstance(event, BatchChecked))
    return FlakeTotals(
        check=check,
        checks=sum(1 for event in ran if event.tree in sound),
        failures=len(failed),
        tests=tuple(dict.fromkeys(test for names in named for test in names)),
    )
