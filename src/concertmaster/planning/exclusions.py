"""Decides which pairs are worth keeping apart: a collision costs a repair, an exclusion a wait."""

from __future__ import annotations

from collections.abc import Sequence

from concertmaster.planning.collisions import Meeting

# In units of a task. A collision costs a repair, which is one more attempt at the later task, and
# the second merge and check. An exclusion costs the later task a wait for half of the earlier one
# and for its merge and check, as far as no other task can use the slot.
REPAIR = 1.2
WAIT = 0.78
# Of the certainty that two tasks share a file. With this power more conflicts are kept apart where
# prompts name no files, and more clean pairs run in parallel where they do (CooperBench).
CERTAINTY_POWER = 2
LEAST_WORTH_EXCLUDING = 0.15  # below this, chances are too vague to keep tasks apart


def worth_excluding(
    tasks: int, *, slots: int, density: float = 0.0, certainty: float = 1.0
) -> float:
    """Return the P(collision) above which a wait costs less than a repair.

    Slots idle near the end of a run, where no other task waits, and at any time if most pairs are
    kept apart: `density` is the share of the pairs that are, and about 1 / density tasks find each
    other free of exclusions. `certainty` is P(the two tasks share a file): where that is a guess,
    many such pairs rather mean that the guesses are too low.
    """
    at_the_end = min(1.0, slots / (4 * tasks)) if tasks else 1.0
    throughout = 1.0 - 1.0 / max(density * slots, 1.0)
    idle = max(at_the_end, throughout * certainty**CERTAINTY_POWER)
    return max(LEAST_WORTH_EXCLUDING, WAIT / REPAIR * idle)


def keep_apart(meetings: Sequence[Meeting], *, tasks: int, slots: int) -> frozenset[int]:
    """Return the positions of the pairs that are worth keeping apart.

    The likeliest collision is taken first; each makes the next one dearer.
    """
    kept: set[int] = set()
    most = tasks * (tasks - 1) / 2
    for number in sorted(range(len(meetings)), key=lambda at: (-meetings[at].collision, at)):
        density = (len(kept) + 1) / most
        met = meetings[number]
        price = worth_excluding(tasks, slots=slots, density=density, certainty=met.share)
        if met.collision > price:
            kept.add(number)
    return frozenset(kept)
