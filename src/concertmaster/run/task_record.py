"""Holds the history of a task as frozen values."""

from __future__ import annotations

from dataclasses import dataclass

from concertmaster.landing.fault import Fault
from concertmaster.model import (
    Built,
    Carried,
    MachineState,
    Outcome,
    Repair,
    Task,
    TaskState,
    Usage,
)
from concertmaster.planning.learnt_footprints import NOTHING_OBSERVED, ObservedPaths
from concertmaster.settings.choices import Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A try of a task.

    `asked` is the phase that has no answer yet. `usages` are those of the phases that met their
    exit condition; `holds` are the phases whose exit condition is met for the tree as it is.
    """

    number: int
    asked: Phase | None = None
    redo: bool = False
    base: str = ""
    built_on: tuple[Built, ...] = ()
    folder: str = ""
    folder_released: bool = False
    folder_stays: bool = False  # it holds work that could not be saved
    checkpoint: str = ""
    interrupted_at: str = ""  # the checkpoint at the start of a phase that a usage limit stopped
    session: str = ""
    no_op: str = ""
    usages: tuple[Usage, ...] = ()
    holds: tuple[Phase, ...] = ()
    returned: tuple[Phase, ...] = ()  # the phases that sent the work back, each time
    evidence: str = ""  # the failure that they want fixed
    findings: str = ""
    said: str = ""  # the agent's words for the commit
    review: str = ""  # the comments of the reviewer who approved the change
    follow_ups: tuple[str, ...] = ()
    outcome: Outcome | None = None
    reason: str = ""
    saved: str = ""
    sensitive: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    lost_usage: Usage = Usage()
    resumes_at: float = 0.0  # end of the usage limit that ended it, in epoch seconds
    machine: MachineState | None = None  # when it failed
    started_at: float = 0.0
    repair: Repair | None = None  # it mends a result that did not land
    carried: Carried | None = None  # it goes on with the work of the attempt before
    observed: ObservedPaths = NOTHING_OBSERVED
    writers: tuple[tuple[str, int], ...] = ()  # tasks and attempts that changed a file first

    @property
    def head(self) -> str:
        """Return the one commit of a succeeded attempt, "" if it changed nothing."""
        return self.checkpoint if self.outcome is Outcome.SUCCEEDED and not self.no_op else ""

    @property
    def is_removable(self) -> bool:
        """Return whether its worktree is there and is no longer needed."""
        is_over = self.outcome is not None and self.folder != ""
        return is_over and not (self.folder_released or self.folder_stays)

    @property
    def work(self) -> str:
        """Return the newest commit that holds something beyond the base, "" if there is none."""
        newest = self.saved or self.checkpoint
        return newest if newest != self.base else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord:
    """A task with its attempts and its state."""

    task: Task
    state: TaskState = TaskState.WAITING
    reason: str = ""
    fault: Fault | None = None  # why its result is left out
    attempts: tuple[Attempt, ...] = ()
    repair: Repair | None = None  # that the next attempt does
    carried: Carried | None = None  # with which the next attempt goes on
    yielded_to: tuple[str, ...] = ()  # tasks for which it gave its slot up
    stopping: bool = False
    landed_as_it_is: bool = False
    held: bool = False  # only a person may merge it
    cancelled: bool = False  # the user wants no more of it
    kept_on: str = ""

    @property
    def attempt(self) -> Attempt | None:
        return self.attempts[-1] if self.attempts else None

    @property
    def is_busy(self) -> bool:
        """Return whether the task occupies a slot."""
        return self.state is TaskState.RUNNING

    @property
    def head(self) -> str:
        return self.attempt.head if self.attempt else ""

    @property
    def has_change(self) -> bool:
        """Return whether there is a commit that others may build on."""
        return bool(self.head) and not self.state.is_lost

    @property
    def work(self) -> str:
        """Return the newest commit worth keeping, "" if there is none.

        A result that only did not land is worth more than a repair that was not finished.
        """
        works = [a.head or a.work for a in reversed(self.attempts) if a.head or a.work]
        heads = [a.head for a in reversed(self.attempts) if a.head]
        return next(iter([*heads, *works]), "")
