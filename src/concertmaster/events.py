"""What can happen in a run, in the past tense. The journal holds nothing else.

`at` is epoch seconds; the engine stamps it when the event enters the inbox. `tag` names the kind of
event in the journal; it never changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from concertmaster.model import Built, Outcome, Phase, Shortage, TaskState, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    tag: ClassVar[str] = "RunStarted"
    run: str
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResumed:
    """The process that owned the run had died, been interrupted or stopped; a new one owns it."""

    tag: ClassVar[str] = "RunResumed"
    budget_usd: float | None = None  # replaces the plan's budget
    cancelled: bool = False  # only to end it in good order
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseChecked:
    tag: ClassVar[str] = "BaseChecked"
    tree: str
    passed: bool
    reason: str
    seconds: float
    tip: str  # the target's tip when the run began
    setup_seconds: float = 0.0  # of the seconds
    notes: tuple[str, ...] = ()
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseFinished:
    """A phase met its exit condition; what it made is the attempt's new checkpoint."""

    tag: ClassVar[str] = "PhaseFinished"
    task: str
    attempt: int
    phase: Phase
    seconds: float
    setup_seconds: float = 0.0  # of the seconds (prepare)
    checkpoint: str = ""  # commit: the base after prepare, a snapshot later, the head after deliver
    folder: str = ""  # where the attempt's worktree lies (prepare)
    built_on: tuple[Built, ...] = ()  # those of the wanted changes that merged (prepare)
    no_op: str = ""  # why there is nothing to change (implement)
    findings: str = ""  # what the phase has to tell: a plan (research), a verdict (review)
    follow_ups: tuple[str, ...] = ()  # further work that the agent saw
    sensitive: tuple[str, ...] = ()  # paths a person should look at (deliver)
    notes: tuple[str, ...] = ()
    session: str = ""
    usage: Usage = Usage()
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseFailed:
    """A phase did not meet its exit condition; the attempt is over."""

    tag: ClassVar[str] = "PhaseFailed"
    task: str
    attempt: int
    phase: Phase
    seconds: float
    outcome: Outcome
    reason: str
    evidence: str = ""  # what an agent needs to mend it; "" = nothing that it could
    agent_failed: bool = False  # the agent itself, not its work
    resumes_at: float = 0.0  # when a usage limit ends, 0 = nobody knows
    session: str = ""
    saved: str = ""  # commit that holds the work done so far
    unsaved: bool = False  # the work could not be saved, so its folder must stay
    notes: tuple[str, ...] = ()
    usage: Usage = Usage()
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultReceived:
    """What another machine made of a task, ready to be landed, or why there is nothing to land.

    `sensitive` are the paths for which only a person may merge it, or, where it `lands_anyway`,
    which a person should look at.
    """

    tag: ClassVar[str] = "ResultReceived"
    task: str
    state: TaskState
    reason: str = ""
    base: str = ""
    built_on: tuple[Built, ...] = ()
    head: str = ""
    sensitive: tuple[str, ...] = ()
    lands_anyway: bool = False
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchChecked:
    """The tree of `tasks` on top of `tip` was checked; `commit` is what would land."""

    tag: ClassVar[str] = "BatchChecked"
    tasks: tuple[str, ...]
    tip: str
    commit: str
    tree: str
    passed: bool
    reason: str
    seconds: float
    setup_seconds: float = 0.0  # of the seconds
    cached: bool = False
    reapplied: tuple[str, ...] = ()
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeConflicted:
    """`task` does not merge onto `tip` plus the tasks `behind`."""

    tag: ClassVar[str] = "MergeConflicted"
    task: str
    tip: str
    behind: tuple[str, ...]
    paths: tuple[str, ...]
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLanded:
    """The target (or `branch`, where landing was diverted) moved from `tip` to `commit`."""

    tag: ClassVar[str] = "BatchLanded"
    tasks: tuple[str, ...]
    tip: str
    commit: str
    branch: str = ""
    reason: str = ""  # why landing was diverted
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetMoved:
    tag: ClassVar[str] = "TargetMoved"
    tip: str
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkKept:
    """Work that did not land lies on `branch` in the user's repository."""

    tag: ClassVar[str] = "WorkKept"
    task: str
    branch: str
    commit: str
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseEnded:
    """The time has come that the run had paused for."""

    tag: ClassVar[str] = "PauseEnded"
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttled:
    """The machine is short of something, so new attempts wait; "" = no more."""

    tag: ClassVar[str] = "Throttled"
    reason: str
    short: Shortage | None = None
    is_answer: bool = False  # to MeasureRoom
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequested:
    tag: ClassVar[str] = "CancelRequested"
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequested:
    """The time of this process is over; what runs is ended, and can be gone on with later."""

    tag: ClassVar[str] = "StopRequested"
    reason: str
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    tag: ClassVar[str] = "RunFinished"
    at: float = 0.0


Event = (
    RunStarted
    | RunResumed
    | BaseChecked
    | PhaseFinished
    | PhaseFailed
    | ResultReceived
    | BatchChecked
    | MergeConflicted
    | BatchLanded
    | TargetMoved
    | WorkKept
    | PauseEnded
    | Throttled
    | CancelRequested
    | StopRequested
    | RunFinished
)
