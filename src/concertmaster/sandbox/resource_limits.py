"""Decides whether the machine has enough memory and disk space for one more agent."""

from __future__ import annotations

from dataclasses import dataclass

from concertmaster.model import Shortage
from concertmaster.text.display import size

# An agent CLI takes 300 to 500 MB, plus its check. The need of one more agent does not grow with
# the machine, so this is not a fraction of its memory.
AGENT_BYTES = 768 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeResources:
    """The free memory and disk space; `folder` lies on the fullest disk that a run writes to."""

    memory_bytes: int
    disk_bytes: int
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceLimits:
    """Thresholds with hysteresis: new agents wait below `least` until there is `enough`.

    The gap keeps a single agent that starts or ends from switching the state.
    """

    least_memory_bytes: int = AGENT_BYTES
    enough_memory_bytes: int = 1 << 30
    # A worktree with its dependencies is rarely larger; a full disk breaks running agents.
    least_disk_bytes: int = 1 << 30
    enough_disk_bytes: int = 3 << 29


LIMITS = ResourceLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceState:
    """The resource that is short and the reason why new agents wait; None and "" if none is."""

    short: Shortage | None = None
    reason: str = ""


def judge_resources(
    free: FreeResources, before: Shortage | None = None, *, limits: ResourceLimits = LIMITS
) -> ResourceState:
    """Return which resource is short now; `before` is the one that was short until now.

    If both are short, the disk is named.
    """
    wanted = _wanted(limits.least_disk_bytes, limits.enough_disk_bytes, before is Shortage.DISK)
    if free.disk_bytes < wanted:
        reason = _reason(free.disk_bytes, limits.enough_disk_bytes, f"the disk of {free.folder}")
        return ResourceState(short=Shortage.DISK, reason=reason)
    is_short = before is Shortage.MEMORY
    wanted = _wanted(limits.least_memory_bytes, limits.enough_memory_bytes, is_short)
    if free.memory_bytes < wanted:
        reason = _reason(free.memory_bytes, limits.enough_memory_bytes, "memory")
        return ResourceState(short=Shortage.MEMORY, reason=reason)
    return ResourceState()


def _wanted(least: int, enough: int, is_short: bool) -> int:
    return enough if is_short else least


def _reason(free: int, enough: int, what: str) -> str:
    return f"{size(free)} of {what} is free, new agents wait until it is {size(enough)}"
