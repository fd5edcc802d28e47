"""WorkflowMaster: which phase comes next, whose evidence holds, and what a failed one means.

A phase holds when it has met its exit condition for the tree as it is now. `deliver` comes last,
so it is reached only while all others hold: a check that passed, and where review is on an
approval, both of exactly this tree.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from concertmaster.model import Outcome, Phase

# A further attempt may go better after these; the others would only repeat.
WORTH_ANOTHER_ATTEMPT = frozenset({Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST})

# The run must stop starting agents after these; the attempt does not count.
STOPS_THE_RUN = frozenset({Outcome.LIMITED, Outcome.OVER_BUDGET})

# Their evidence is about one tree; it is void with the next.
JUDGES = frozenset({Phase.TEST, Phase.REVIEW})

# In these an agent works on the task; they share one conversation.
AGENTS_OWN = frozenset({Phase.RESEARCH, Phase.IMPLEMENT, Phase.DOCUMENT})


def next_phase(phases: Sequence[Phase], *, holds: Collection[Phase], no_op: bool) -> Phase | None:
    """The first phase that does not hold; None when the attempt has succeeded.

    An agent that found nothing to change ends the attempt: there is no tree to test or deliver.
    """
    if no_op:
        return None
    return next((phase for phase in phases if phase not in holds), None)


def finish(holds: Iterable[Phase], phase: Phase, *, changed: bool) -> tuple[Phase, ...]:
    """The phases that hold after this one has met its exit condition; `changed` = it has left
    another tree than it found."""
    void = {phase, *(JUDGES if changed else ())}
    return (*(one for one in holds if one not in void), phase)


def send_back(holds: Iterable[Phase]) -> tuple[Phase, ...]:
    """The phases that hold when the work goes back to the agent."""
    return tuple(one for one in holds if one is not Phase.IMPLEMENT and one not in JUDGES)
