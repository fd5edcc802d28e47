"""What each phase took over a whole run: time, tokens and money."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from concertmaster.core.events import Event, PhaseFailed, PhaseFinished
from concertmaster.core.model import Phase, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseTotal:
    """One phase of all attempts of all tasks; `passed` of the `times` it ran it met its exit
    condition."""

    phase: Phase
    times: int
    passed: int
    seconds: float
    setup_seconds: float  # of the seconds
    usage: Usage


def total_phases(events: Iterable[Event]) -> tuple[PhaseTotal, ...]:
    """Each phase that ran, in the order of the phases."""
    ends = [event for event in events if isinstance(event, PhaseFinished | PhaseFailed)]
    return tuple(_total(phase, mine) for phase in Phase if (mine := _of(ends, phase)))


def _of(
    ends: Iterable[PhaseFinished | PhaseFailed], phase: Phase
) -> list[PhaseFinished | PhaseFailed]:
    return [event for event in ends if event.phase is phase]


def _total(phase: Phase, ends: list[PhaseFinished | PhaseFailed]) -> PhaseTotal:
    return PhaseTotal(
        phase=phase,
        times=len(ends),
        passed=sum(isinstance(event, PhaseFinished) for event in ends),
        seconds=sum(event.seconds for event in ends),
        setup_seconds=sum(one.setup_seconds for one in ends if isinstance(one, PhaseFinished)),
        usage=sum((event.usage for event in ends), start=Usage()),
    )
