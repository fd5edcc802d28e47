"""Whether the machine has room for one more agent, and if not, why."""

from __future__ import annotations

from dataclasses import dataclass

from concertmaster.model import Shortage
from concertmaster.text.display import size

# The CLI of an agent takes 300 to 500 MB, and its check comes beside it. What one more agent
# needs does not grow with the machine, so this is no share of its memory.
AGENT_BYTES = 768 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeResources:
    """What was free at one moment; `folder` lies on the fullest disk that a run writes to."""

    memory_bytes: int
    disk_bytes: int
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceLimits:
    """Below `least` new agents wait, until there is `enough`. Between the two nothing changes, so
    that an agent more or less does not start and stop the waiting."""

    least_memory_bytes: int = AGENT_BYTES
    enough_memory_bytes: int = 1 << 30
    # A worktree with its dependencies is seldom larger; a full disk spoils what runs already.
    least_disk_bytes: int = 1 << 30
    enough_disk_bytes: int = 3 << 29


LIMITS = ResourceLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceState:
    """What is short, and in words why new agents wait; nothing and "" where none does."""

    short: Shortage | None = None
    reason: str = ""


def judge_resources(
    free: FreeResources, before: Shortage | None = None, *, limits: ResourceLimits = LIMITS
) -> ResourceState:
    """What is short now, where `before` was short until now. A full disk goes before memory."""
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
