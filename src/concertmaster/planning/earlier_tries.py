"""Defines what an earlier run learnt about a task that did not land."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from concertmaster.model import FootprintEntry, Repair

# An agent that begins anew may find another way; most change the same files.
CHANGED_AGAIN = 0.9
MOST_EARLIER_PATHS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierTry:
    """A task of an earlier run that did not land.

    `paths` are the files that it changed. `evidence` says why it did not land, "" if it was not at
    fault. `result` is its change, None if no attempt came so far.
    """

    run: str
    paths: tuple[str, ...] = ()
    evidence: str = ""
    result: Repair | None = None


def add_changed_paths(
    footprint: Iterable[FootprintEntry], earlier: EarlierTry
) -> tuple[FootprintEntry, ...]:
    """Return the footprint with the files that the earlier try changed, the likeliest first."""
    reason = f"the run {earlier.run} changed it"
    chance = 1.0 if earlier.result else CHANGED_AGAIN
    found = {entry.path: entry for entry in footprint}
    for path in earlier.paths[:MOST_EARLIER_PATHS]:
        known = found.get(path)
        if known is None or known.probability < chance:
            found[path] = FootprintEntry(path=path, probability=chance, reason=reason)
    return tuple(sorted(found.values(), key=lambda entry: (-entry.probability, entry.path)))
