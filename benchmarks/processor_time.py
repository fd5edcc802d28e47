"""Tells the time of the processor, which other programs on the machine do not change much."""

from __future__ import annotations

import resource


def used_seconds() -> float:
    """Return the seconds of the processor that this process and its ended commands took."""
    both = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in both)
