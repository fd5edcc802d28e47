"""Defines the verdict of the verify job: the tested commits and the results left out."""

from __future__ import annotations

from dataclasses import dataclass

from concertmaster.landing.fault import LandingFault
from concertmaster.model import MachineState

VERDICT_VERSION = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictStep:
    """A commit whose tree passed the check, made by merging `tasks` in order onto `tip`.

    Only the changes of the tasks in `reapplied` were put on it, as one commit each.
    """

    tasks: tuple[str, ...]
    tip: str
    commit: str
    tree: str
    reapplied: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOutTask:
    """A result that may not land now, and the reason.

    `paths` are those that a person has to look at where it is held, and `classes` says why.
    """

    task: str
    fault: LandingFault
    reason: str
    paths: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The outcome of a verify job.

    Each step builds on the one before it. The first builds on `tip`, the target's commit when the
    job began. `stopped` is the reason why the job ended early, "" if it did not. `machine` is the
    state of the job's machine when the newest result was left out; version 1 did not tell it.
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
    machine: MachineState | None = None

    @property
    def commit(self) -> str:
        """The newest tested commit; `tip` if nothing may land."""
        return self.steps[-1].commit if self.steps else self.tip
