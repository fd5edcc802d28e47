"""Decides what a failed check is worth where the check is known to fail at random."""

from __future__ import annotations

import math
from collections.abc import Collection

from concertmaster.model import KnownFlakes

# The chance that a check that fails at random names an innocent task.
MOST_BLAME = 1e-6
MOST_CONFIRMATIONS = 10


def count_confirmations(known: KnownFlakes, *, least: int) -> int:
    """Return how often a suspect is checked again before it is the culprit, at least `least`."""
    if not known.failures:
        return least
    rate = min(known.failures / max(known.checks, known.failures), 0.9)
    needed = math.ceil(math.log(MOST_BLAME) / math.log(rate)) - 1  # the first failure counts
    return max(least, min(needed, MOST_CONFIRMATIONS))


def is_known_flake(known: KnownFlakes, failing: Collection[str]) -> bool:
    """Return whether all tests that failed have failed at random before; False if none is named."""
    return bool(failing) and {*failing} <= {*known.tests}
