"""What the core asks the engine to do, in the imperative. Each carries all it needs."""

from __future__ import annotations

from dataclasses import dataclass

from concertmaster.model import Built, Phase, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckBase:
    """Check the run's base; answered by BaseChecked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPhase:
    """Perform one phase; answered by PhaseFinished or PhaseFailed.

    With `redo` a process died in this phase: what it left is saved, then undone.
    """

    task: Task
    attempt: int
    phase: Phase
    redo: bool = False
    wanted: tuple[Built, ...] = ()  # prepare: changes that the base shall contain
    required: frozenset[str] = frozenset()  # prepare: tasks of `wanted` that may not be dropped
    base: str = ""
    checkpoint: str = ""
    interrupted_at: str = ""  # where the phase began that a usage limit has cut in two
    folder: str = ""
    session: str = ""
    evidence: str = ""  # what has to be mended: of the attempt before, or of a phase of this one
    findings: str = ""  # the plan that the agent made in research


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitTime:
    """Answered by PauseEnded, not before `until` (epoch seconds)."""

    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAttempt:
    """End the attempt's processes; the phase that runs then fails as cancelled."""

    task: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeCandidate:
    """A succeeded task on its way to the target. Its change lies between base and head."""

    task: str
    title: str
    base: str
    head: str
    as_it_is: bool  # all it is built on landed, or stands before it, unchanged


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
    """The time is over: end the check that runs. What is ended so has no answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LandBatch:
    """Move the target from `tip` to `commit`; answered by BatchLanded or TargetMoved."""

    tasks: tuple[str, ...]
    tip: str
    commit: str
    diverted: bool = False  # the target cannot be moved; land on our own branch


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepWork:
    """Put the commit on the task's branch in the user's repository; answered by WorkKept."""

    task: str
    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveWorktree:
    """The attempt is over and its work is saved; no answer."""

    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureRoom:
    """Look what is free once all that was to be removed is gone; answered by Throttled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishRun:
    """Nothing is left to do; answered by RunFinished."""


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
