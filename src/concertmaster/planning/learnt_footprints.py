"""Updates the footprint of a task by what its attempts say and change."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from concertmaster.model import FootprintEntry, Sighting
from concertmaster.planning.earlier_tries import CHANGED_AGAIN

PLANNED = 0.9  # the agent's plan names the file
# Of the probability of a predicted file:
UNNAMED = 0.15  # the agent's plan does not name it
UNTOUCHED = 0.1  # the agent's work was done without it
CHANGED = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedPaths:
    """The paths that an attempt is known to change.

    `planned` are those of the agent's plan, `changed` those that it has changed so far. `is_done`
    says that a phase has ended with changes. `left_out` counts further paths that it has changed,
    `events` the observations.
    """

    planned: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    is_done: bool = False
    left_out: int = 0
    events: int = 0

    def add(
        self, sighting: Sighting, paths: tuple[str, ...], *, left_out: int = 0
    ) -> ObservedPaths:
        """Return what is known after a further observation."""
        events = self.events + 1
        if sighting is Sighting.PLANNED:
            return replace(self, planned=paths, events=events)
        is_done = self.is_done or sighting is Sighting.CHANGED
        return replace(self, changed=paths, is_done=is_done, left_out=left_out, events=events)


NOTHING_OBSERVED = ObservedPaths()


def learn_footprint(
    predicted: Sequence[FootprintEntry],
    attempts: Sequence[ObservedPaths],
    *,
    declared: Collection[str] = (),
    is_between: bool = False,
) -> tuple[FootprintEntry, ...]:
    """Return the predicted footprint with what is known of the task's attempts.

    `declared` are paths that the author has declared: a plan without them does not make them less
    likely. With `is_between` all attempts have ended, and another one may follow.
    """
    earlier = attempts if is_between else attempts[:-1]
    now = NOTHING_OBSERVED if is_between or not attempts else attempts[-1]
    found = {entry.path: entry for entry in predicted}
    for number, attempt in enumerate(earlier, 1):
        for path in attempt.changed:
            _raise(found, path, CHANGED_AGAIN, f"attempt {number} changed it")
    found = {path: _lower(entry, now, declared) for path, entry in found.items()}
    for path in now.planned if not now.is_done else ():
        _raise(found, path, PLANNED, "the agent's plan names it")
    for path in now.changed:
        _raise(found, path, CHANGED, "the agent has changed it")
    return tuple(sorted(found.values(), key=lambda entry: (-entry.probability, entry.path)))


def _raise(found: dict[str, FootprintEntry], path: str, probability: float, reason: str) -> None:
    """Make the path at least so likely; what is known of its place in the file stays."""
    known = found.get(path)
    if known is None:
        found[path] = FootprintEntry(path=path, probability=probability, reason=reason)
    elif known.probability <= probability:
        found[path] = replace(known, probability=probability, reason=reason)


def _lower(entry: FootprintEntry, now: ObservedPaths, declared: Collection[str]) -> FootprintEntry:
    if now.is_done:
        part = UNTOUCHED
    elif now.planned and entry.path not in declared:
        part = UNNAMED
    else:
        return entry
    return replace(entry, probability=entry.probability * part)
