"""What the verify job found out: which heads, merged in which order, make which tested commit."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

VERDICT_VERSION = 1


class LandingFault(StrEnum):
    """Why a result may not land now."""

    CULPRIT = "culprit"  # the check fails with it
    CONFLICT = "conflict"  # it does not merge
    REFUSED = "refused"  # the path policy
    STUCK = "stuck"  # it was not its fault
    CLOSED = "closed"  # a person closed its pull request
    UNASKED = "unasked"  # the run was asked to land nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictStep:
    """The tasks, merged in this order onto `tip`, make `commit`, whose tree passed the check.

    Of those in `reapplied` only the change was put on, as one commit.
    """

    tasks: tuple[str, ...]
    tip: str
    commit: str
    tree: str
    reapplied: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOutTask:
    """A result that may not land now, and why."""

    task: str
    fault: LandingFault
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Each step builds on the one before it, the first on `tip`, the target's when this began.

    `stopped` says why it ended before everything was settled, "" where it did not.
    """

    version: int = VERDICT_VERSION
    run: str
    round: int
    target: str
    tip: str
    git_version: str
    base_green: bool | None = None
    base_reason: str = ""
    steps: tuple[VerdictStep, ...] = ()
    left_out: tuple[LeftOutTask, ...] = ()
    flaky: tuple[str, ...] = ()
    checks: int = 0
    check_seconds: float = 0.0
    stopped: str = ""
    finished: bool = False

    @property
    def commit(self) -> str:
        """The newest tested commit; the tip where nothing may land."""
        return self.steps[-1].commit if self.steps else self.tip
