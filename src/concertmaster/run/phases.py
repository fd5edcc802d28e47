"""Decides the order of WorkflowMaster's phases and which finished phases still hold.

A phase holds when it has met its exit condition for the tree as it is now. `deliver` comes last,
so it starts only while all others hold: a passed check and, if review is on, an approval, both of
exactly this tree.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from concertmaster.model import Outcome
from concertmaster.settings.choices import Phase

# A further attempt may succeed after these; after the others it would only repeat the failure.
WORTH_ANOTHER_ATTEMPT = frozenset({Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST})

# The run must stop starting agents after these; the attempt does not count.
STOPS_THE_RUN = frozenset({Outcome.LIMITED, Outcome.OVER_BUDGET, Outcome.NO_ACCESS})

# Their verdict is about one tree; it is void for the next.
JUDGES = frozenset({Phase.TEST, Phase.REVIEW})

# The phases in which an agent works on the task; they share one session.
AGENTS_OWN = frozenset({Phase.RESEARCH, Phase.IMPLEMENT, Phase.DOCUMENT})


def next_phase(phases: Sequence[Phase], *, holds: Collection[Phase], no_op: bool) -> Phase | None:
    """Return the first phase that does not hold, or None if the attempt has succeeded.

    `no_op` means that the agent found nothing to change: no tree is left to test or deliver.
    """
    if no_op:
        return None
    return next((phase for phase in phases if phase not in holds), None)


def finish(holds: Iterable[Phase], phase: Phase, *, changed: bool) -> tuple[Phase, ...]:
    """Return the phases that hold after `phase` has met its exit condition.

    `changed` means that it left another tree than it found.
    """
    void = {phase, *(JUDGES if changed else ())}
    return (*(one for one in holds if one not in void), phase)


def send_back(holds: Iterable[Phase]) -> tuple[Phase, ...]:
    """Return the phases that hold when the work is sent back to the agent."""
    return tuple(one for one in holds if one is not Phase.IMPLEMENT and one not in JUDGES)
