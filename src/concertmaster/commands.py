"""Declares the commands of the state machine to the engine; a command carries all its inputs."""

from __future__ import annotations

from dataclasses import dataclass

from concertmaster.model import Built, Carried, Repair, Task
from concertmaster.settings.choices import Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckBase:
    """Check the run's base; answered by BaseChecked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPhase:
    """Perform one phase; answered by PhaseFinished or PhaseFailed.

    `redo` means that a process died in this phase: its changes are saved, then undone.
    """

    task: Task
    attempt: int
    phase: Phase
    redo: bool = False
    wanted: tuple[Built, ...] = ()  # prepare: changes that the base shall contain
    required: frozenset[str] = frozenset()  # prepare: tasks of `wanted` that may not be dropped
    base: str = ""
    checkpoint: str = ""
    interrupted_at: str = ""  # the checkpoint at the start of a phase that a usage limit stopped
    folder: str = ""
    session: str = ""
    evidence: str = ""  # the failure to fix, of the attempt before or of a phase of this one
    findings: str = ""  # the plan that the agent made in research
    said: str = ""  # deliver: the agent's words for the commit
    apart: frozenset[str] = frozenset()  # tasks that are not worked on at the same time
    repair: Repair | None = None  # the attempt mends a result that did not land
    carried: Carried | None = None  # prepare: the work of an earlier attempt that goes on


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitTime:
    """Wait until `until` (epoch seconds); answered by PauseEnded."""

    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAttempt:
    """End the attempt's processes; its running phase then fails as cancelled."""

    task: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeCandidate:
    """A succeeded task in a batch; its change is the difference of base and head."""

    task: str
    title: str
    base: str
    head: str
    as_it_is: bool  # all changes it is built on landed unchanged, or precede it in the batch


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckBatch:
    """Merge the candidates onto `tip` and check the tree.

    Answered by BatchChecked or MergeConflicted. A tree in `green` or `red` is not checked again.
    With no candidates the tip itself is checked.
    """

    tip: str
    candidates: tuple[MergeCandidate, ...]
    green: frozenset[str] = frozenset()
    red: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class StopCheck:
    """End the running check because the time is over; a check that is ended gives no answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LandBatch:
    """Move the target from `tip` to `commit`; answered by BatchLanded or TargetMoved."""

    tasks: tuple[str, ...]
    tip: str
    commit: str
    diverted: bool = False  # the target cannot be moved; land on the run's own branch


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepWork:
    """Put the commit on the task's branch in the user's repository; answered by WorkKept."""

    task: str
    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveWorktree:
    """Remove the worktree of an attempt that is over and whose work is saved; no answer."""

    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureRoom:
    """Measure the free resources after all pending removals; answered by Throttled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishRun:
    """End the run because nothing is left to do; answered by RunFinished."""


Command = (
    CheckBase
    | RunPhase
    | AwaitTime
    | StopAttempt
    | CheckBatch
    | StopCheck
    | LandBatch
    | KeepWork
    | RemoveWorktree
    | MeasureRoom
    | FinishRun
)
