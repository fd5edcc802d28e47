"""Declares the events of a run; the journal is a sequence of them.

`at` is epoch seconds; the engine stamps it when the event enters the inbox. `tag` names the kind of
event in the journal; it never changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from concertmaster.model import Built, MachineState, Outcome, Shortage, Sighting, TaskResult, Usage
from concertmaster.settings.choices import Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """A run started, or a run of received results was opened."""

    tag: ClassVar[str] = "RunStarted"
    run: str
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResumed:
    """A new process took over the run of one that died, was interrupted or had stopped."""

    tag: ClassVar[str] = "RunResumed"
    budget_usd: float | None = None  # replaces the plan's budget
    cancelled: bool = False  # the run is resumed only to be ended in good order
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseChecked:
    """The run's base was checked."""

    tag: ClassVar[str] = "BaseChecked"
    tree: str
    passed: bool
    reason: str
    seconds: float
    tip: str  # the target's tip when the run began
    setup_seconds: float = 0.0  # the part of `seconds` that setup took
    notes: tuple[str, ...] = ()
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseFinished:
    """A phase met its exit condition; its result is the attempt's new checkpoint."""

    tag: ClassVar[str] = "PhaseFinished"
    task: str
    attempt: int
    phase: Phase
    seconds: float
    setup_seconds: float = 0.0  # the part of `seconds` that setup took (prepare)
    checkpoint: str = ""  # commit: the base after prepare, a snapshot later, the head after deliver
    base: str = ""  # the commit that a repair starts from, if that is not the checkpoint (prepare)
    folder: str = ""  # the folder of the attempt's worktree (prepare)
    built_on: tuple[Built, ...] = ()  # the wanted changes that merged (prepare)
    no_op: str = ""  # the reason why there is nothing to change (implement)
    findings: str = ""  # the phase's answer: a plan (research), a verdict (review)
    said: str = ""  # the agent's last message, for the commit (implement)
    follow_ups: tuple[str, ...] = ()  # further work that the agent stated
    sensitive: tuple[str, ...] = ()  # paths that a person should look at (deliver)
    classes: tuple[str, ...] = ()  # the reason for each sensitive path
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
    evidence: str = ""  # the facts an agent needs to fix it; "" = an agent cannot fix it
    agent_failed: bool = False  # the agent itself failed, not its work
    resumes_at: float = 0.0  # end of a usage limit in epoch seconds, 0 = unknown
    session: str = ""
    saved: str = ""  # commit that holds the work done so far
    unsaved: bool = False  # the work could not be saved, so its folder must stay
    machine: MachineState | None = None  # when the phase failed
    notes: tuple[str, ...] = ()
    usage: Usage = Usage()
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FootprintObserved:
    """The paths of an attempt became known, or were no longer those known so far.

    `paths` are sorted and replace all earlier ones of the same source. `left_out` counts further
    paths, which were too many or had names that cannot be used.
    """

    tag: ClassVar[str] = "FootprintObserved"
    task: str
    attempt: int
    sighting: Sighting
    paths: tuple[str, ...]
    left_out: int = 0
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultReceived(TaskResult):
    """The result of a task arrived from another machine, ready to be landed or lost.

    `sensitive` lists paths that only a person may merge; with `lands_anyway` the result lands and
    the report names them.
    """

    tag: ClassVar[str] = "ResultReceived"
    sensitive: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()  # the reason for each sensitive path
    lands_anyway: bool = False
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchChecked:
    """The tree of `tasks` on top of `tip` was checked; `commit` is the commit that would land."""

    tag: ClassVar[str] = "BatchChecked"
    tasks: tuple[str, ...]
    tip: str
    commit: str
    tree: str
    passed: bool
    reason: str
    seconds: float
    setup_seconds: float = 0.0  # the part of `seconds` that setup took
    cached: bool = False
    reapplied: tuple[str, ...] = ()
    evidence: str = ""  # the end of the log of a check that failed
    failing: tuple[str, ...] = ()  # the tests that failed, as far as the log names them
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeConflicted:
    """A merge conflicted: `task` does not merge onto `tip` plus the tasks `behind`.

    With a `refusal` it merges, but what the merge makes may not land by itself: `paths` are then
    those that a person has to look at, and `classes` says why.
    """

    tag: ClassVar[str] = "MergeConflicted"
    task: str
    tip: str
    behind: tuple[str, ...]
    paths: tuple[str, ...]
    refusal: str = ""
    classes: tuple[str, ...] = ()
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLanded:
    """The target (or `branch`, if landing was diverted) moved from `tip` to `commit`."""

    tag: ClassVar[str] = "BatchLanded"
    tasks: tuple[str, ...]
    tip: str
    commit: str
    branch: str = ""
    reason: str = ""  # the reason why landing was diverted
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetMoved:
    """The target was moved to `tip` by somebody else."""

    tag: ClassVar[str] = "TargetMoved"
    tip: str
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkKept:
    """Work that did not land was put on `branch` in the user's repository."""

    tag: ClassVar[str] = "WorkKept"
    task: str
    branch: str
    commit: str
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseEnded:
    """The pause of the run ended."""

    tag: ClassVar[str] = "PauseEnded"
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttled:
    """The machine's shortage changed; new attempts wait while `short` is set.

    `reason` is the sentence for people, "" if nothing is short.
    """

    tag: ClassVar[str] = "Throttled"
    reason: str
    short: Shortage | None = None
    is_answer: bool = False  # the event answers MeasureRoom
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequested:
    """The user cancelled the run."""

    tag: ClassVar[str] = "CancelRequested"
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCancelled:
    """The user cancelled one task; the run goes on with the others."""

    tag: ClassVar[str] = "TaskCancelled"
    task: str
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequested:
    """The time limit of this process was reached; running phases end and can be resumed later."""

    tag: ClassVar[str] = "StopRequested"
    reason: str
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """The run ended; nothing is left to do."""

    tag: ClassVar[str] = "RunFinished"
    at: float = 0.0


Event = (
    RunStarted
    | RunResumed
    | BaseChecked
    | PhaseFinished
    | PhaseFailed
    | FootprintObserved
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
    | TaskCancelled
)
