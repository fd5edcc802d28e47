"""Weighs two footprints: the chances that they share a file and that their changes collide."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

from concertmaster.model import FootprintEntry

# P(conflict) of two tasks that edit the same file: 499 of 652 pairs of CooperBench.
CONFLICT_IN_SHARED_FILE = 0.765

# Files that many tasks edit without a conflict, or that a tool merges.
HARMLESS_NAMES = {
    "changelog.md",
    "changes.md",
    "changes.rst",
    "package-lock.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "poetry.lock",
    "uv.lock",
    "cargo.lock",
    "go.sum",
}
CONFLICT_IN_HARMLESS_FILE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """The chances that two tasks change a common file, and that their changes collide.

    `paths` are the files that both may change, the likeliest collision first.
    """

    share: float
    collision: float
    paths: tuple[str, ...]


def meet(one: Sequence[FootprintEntry], other: Sequence[FootprintEntry]) -> Meeting:
    """Return how likely the tasks with these footprints collide."""
    ours, theirs = _chances(one), _chances(other)
    apart = safe = 1.0
    ranked = []
    for path in [path for path in ours if path in theirs]:
        both = ours[path] * theirs[path]
        collision = both * conflict_rate(path)
        apart *= 1.0 - both
        safe *= 1.0 - collision
        ranked.append((-collision, path))
    paths = tuple(path for _, path in sorted(ranked))
    return Meeting(share=1.0 - apart, collision=1.0 - safe, paths=paths)


def _chances(footprint: Sequence[FootprintEntry]) -> dict[str, float]:
    """Return the probability by path, the highest where a path stands twice."""
    ordered = sorted(footprint, key=lambda entry: entry.probability)
    return {entry.path: entry.probability for entry in ordered}


def conflict_rate(path: str) -> float:
    """Return P(conflict) of two tasks that both change `path`."""
    harmless = posixpath.basename(path).lower() in HARMLESS_NAMES
    return CONFLICT_IN_HARMLESS_FILE if harmless else CONFLICT_IN_SHARED_FILE
