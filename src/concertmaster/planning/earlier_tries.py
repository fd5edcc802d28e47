"""Defines what other runs tell of a task: one that did not land, and one that is worked on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from concertmaster import graph
from concertmaster.model import FootprintEntry, Need, Repair

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


def spread_busy(busy: Mapping[str, str], hard: Sequence[Need]) -> dict[str, str]:
    """Return why tasks have to wait for another run, by task.

    `busy` are those that are part of another run; what needs one of them waits as well.
    """
    found = dict(busy)
    names = dict.fromkeys(name for need in hard for name in (need.task, need.on))
    needs = graph.build(names, ((need.task, need.on) for need in hard))
    for task in graph.sort(needs, rank={}) if found else ():
        held = sorted(on for on in needs[task] if on in found)
        if held and task not in found:
            found[task] = f"needs {held[0]}, which another run works on"
    return found
