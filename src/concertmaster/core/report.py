"""The report of a run as frozen values. Nothing in it is estimated but what says so."""

from __future__ import annotations

from dataclasses import dataclass

from concertmaster.core.ending import Ended, NextStep
from concertmaster.core.experience import Profile
from concertmaster.core.followup import Draft
from concertmaster.core.model import (
    Built,
    FootprintEntry,
    LandingMode,
    Outcome,
    Phase,
    Skipped,
    TaskState,
    Usage,
)
from concertmaster.core.tally import PhaseTotal

REPORT_VERSION = 1

_EXIT_CODES = {Ended.LANDED: 0, Ended.BASE_IS_RED: 3, Ended.STOPPED: 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseRow:
    """One phase that ran; `finished` where it met its exit condition."""

    phase: Phase
    finished: bool
    seconds: float
    setup_seconds: float  # of the seconds
    started_at: float
    ended_at: float
    usage: Usage
    session: str
    reason: str
    transcript: str  # relative to the run's folder, "" where no agent spoke


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """One try of a task. Logs are relative to the run's folder; `folder` only where work stays."""

    number: int
    outcome: Outcome | None
    reason: str
    base: str
    built_on: tuple[Built, ...]
    phases: tuple[PhaseRow, ...]
    seconds: float
    usage: Usage
    sensitive: tuple[str, ...]
    notes: tuple[str, ...]
    no_op: str
    folder: str
    transcript: str
    check_log: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """One task and all that came of it; `branch` is where work lies that did not land."""

    id: str
    title: str
    prompt: str
    state: TaskState
    reason: str
    profile: Profile
    estimate_seconds: float
    estimate_cost_usd: float | None
    estimate_reason: str
    seconds: float
    usage: Usage
    head: str
    branch: str
    attempts: tuple[AttemptRow, ...]
    footprint: tuple[FootprintEntry, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """One answer of the train; `cached` where the tree was known and nothing ran."""

    at: float
    tasks: tuple[str, ...]
    tip: str
    passed: bool
    cached: bool
    reason: str
    seconds: float
    setup_seconds: float  # of the seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class LandedRow:
    """One move of the target, or of our own `branch` where landing was diverted."""

    at: float
    tasks: tuple[str, ...]
    tip: str
    commit: str
    branch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """The train's checks: how many ran, how many were known, and how long those that ran took."""

    ran: int
    cached: int
    seconds: float
    setup_seconds: float  # of the seconds
    base_seconds: float
    base_setup_seconds: float
    rows: tuple[CheckRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What the plan foretold, to be read beside what was measured."""

    makespan_seconds: float
    lower_bound_seconds: float
    sequential_seconds: float
    cost_usd: float | None  # of those tasks of which it is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Between the last word of one process and the first of the next nobody worked."""

    started_at: float
    ended_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitive:
    """Landed paths that define the check or steer agents."""

    task: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A run as far as it came. `dataclasses.asdict` of it is report.json.

    `tip` is where the target stands; `wall_seconds` leaves the pauses out, but not the `limits`, in
    which the run waited for the end of a usage limit; `cost_usd` is None where no agent told any;
    `speed_up` is None where nothing was measured. Of `follow_ups` more may have been stated than
    are here.
    """

    version: int = REPORT_VERSION
    run: str
    base: str
    target: str
    tip: str
    slots: int
    landing: LandingMode
    ended: Ended
    reason: str
    diverted: str
    started_at: float
    ended_at: float
    pauses: tuple[Pause, ...]
    limits: tuple[Pause, ...]
    wall_seconds: float
    work_seconds: float
    speed_up: float | None
    estimate: Estimate
    cost_usd: float | None
    cost_is_estimated: bool
    input_tokens: int
    output_tokens: int
    phases: tuple[PhaseTotal, ...]
    checks: Checks
    flaky: tuple[str, ...]
    landed: tuple[LandedRow, ...]
    tasks: tuple[TaskRow, ...]
    skipped: tuple[Skipped, ...]
    sensitive: tuple[Sensitive, ...]
    follow_ups: tuple[Draft, ...]
    next_steps: tuple[NextStep, ...]
    notes: tuple[str, ...]


def exit_code(report: Report) -> int:
    """0 all landed, 1 some did not, 3 the base is red, 4 stopped by budget or limit."""
    return _EXIT_CODES.get(report.ended, 1)
