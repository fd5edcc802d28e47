"""Defines the report of a run as frozen values. Only fields named so are estimates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from concertmaster.events import Event, PhaseFailed, PhaseFinished
from concertmaster.model import (
    REPORT_VERSION,
    Built,
    FootprintEntry,
    Outcome,
    Skipped,
    TaskState,
    Usage,
)
from concertmaster.planning.estimates import Profile
from concertmaster.prompts.follow_ups import PromptDraft
from concertmaster.report.flakes import FlakeTotals
from concertmaster.report.foresight_rows import ForesightRow, ForesightTotals
from concertmaster.report.next_steps import NextStep
from concertmaster.report.orders import OrderRow
from concertmaster.report.run_end import RunEnd
from concertmaster.report.speed_up import SpeedUp
from concertmaster.settings.choices import LandingMode, Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseRow:
    """A phase that ran. `finished` says whether it met its exit condition."""

    phase: Phase
    finished: bool
    seconds: float
    setup_seconds: float  # included in `seconds`
    started_at: float
    ended_at: float
    usage: Usage
    session: str
    reason: str
    transcript: str  # relative to the run's folder, "" if no agent ran


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """An attempt at a task, with its phases.

    `transcript` and `check_log` are paths relative to the run's folder. `folder` is "" unless it
    holds work that could not be saved. `said` is the agent's last message, `review` the comments
    of the reviewer who approved the change.
    """

    number: int
    outcome: Outcome | None
    reason: str
    base: str
    built_on: tuple[Built, ...]
    phases: tuple[PhaseRow, ...]
    seconds: float
    usage: Usage
    sensitive: tuple[str, ...]
    classes: tuple[str, ...]  # the reason for each sensitive path
    notes: tuple[str, ...]
    no_op: str
    said: str
    review: str
    folder: str
    transcript: str
    check_log: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """A task with its attempts. `branch` holds its work if that did not land."""

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
    unknown: bool = False  # nothing usable was predicted
    cancelled: bool = False  # by the user, while the run went on
    foresight: ForesightRow = ForesightRow()


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """A check of the merge queue.

    `cached` says that the tree had been checked before, so that nothing ran.
    """

    at: float
    tasks: tuple[str, ...]
    tip: str
    passed: bool
    cached: bool
    reason: str
    seconds: float
    setup_seconds: float  # included in `seconds`


@dataclass(frozen=True, slots=True, kw_only=True)
class LandedRow:
    """A move of the target, or of our own `branch` if the landing was diverted."""

    at: float
    tasks: tuple[str, ...]
    tip: str
    commit: str
    branch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckTotals:
    """The checks of the merge queue in numbers.

    `ran` checks were run and `cached` ones known before. `seconds` and `setup_seconds` are of those
    that ran; `base_seconds` and `base_setup_seconds` are of the checks of the base.
    """

    ran: int
    cached: int
    seconds: float
    setup_seconds: float  # included in `seconds`
    base_seconds: float
    base_setup_seconds: float
    rows: tuple[CheckRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateRow:
    """The estimates of the plan, for comparison with what was measured."""

    makespan_seconds: float
    lower_bound_seconds: float
    sequential_seconds: float
    cost_usd: float | None  # sum over the tasks whose cost is known


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseRow:
    """A span of time in which the run did not go on; both ends in seconds since the epoch.

    Either no process worked on the run, or the run waited for the end of a usage limit.
    """

    started_at: float
    ended_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SensitivePaths:
    """Landed paths of a task that a person should look at; `classes` says why, path by path."""

    task: str
    paths: tuple[str, ...]
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A run, finished or not. `dataclasses.asdict` of it is report.json.

    `tip` is the commit of the target. `wall_seconds` excludes the `pauses` but includes the
    `limits`, in which the run waited for the end of a usage limit. `cost_usd` is None if no agent
    reported any cost. `concurrency` is the time of all phases divided by the time of the run, or
    None if nothing was measured. It is no speed-up: phases are slower where they share a machine.
    `speed_up` is None if no past runs with one slot tell the times of the tasks.
    `follow_ups` has an upper limit, so agents may have stated more.
    """

    version: int = REPORT_VERSION
    run: str
    base: str
    target: str
    tip: str
    slots: int
    landing: LandingMode
    ended: RunEnd
    reason: str
    diverted: str
    started_at: float
    ended_at: float
    pauses: tuple[PauseRow, ...]
    limits: tuple[PauseRow, ...]
    wall_seconds: float
    work_seconds: float
    concurrency: float | None
    speed_up: SpeedUp | None
    estimate: EstimateRow
    cost_usd: float | None
    cost_is_estimated: bool
    input_tokens: int
    output_tokens: int
    phases: tuple[PhaseTotal, ...]
    checks: CheckTotals
    flaky: tuple[str, ...]
    flakes: FlakeTotals
    landed: tuple[LandedRow, ...]
    tasks: tuple[TaskRow, ...]
    orders: tuple[OrderRow, ...]
    foresight: ForesightTotals
    skipped: tuple[Skipped, ...]
    sensitive: tuple[SensitivePaths, ...]
    follow_ups: tuple[PromptDraft, ...]
    next_steps: tuple[NextStep, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseTotal:
    """A phase summed over all attempts of all tasks.

    It ran `times` times and met its exit condition in `passed` of them.
    """

    phase: Phase
    times: int
    passed: int
    seconds: float
    setup_seconds: float  # included in `seconds`
    usage: Usage


def total_phases(events: Iterable[Event]) -> tuple[PhaseTotal, ...]:
    """Return the totals of each phase that ran, in the order of the phases."""
    ends = [event for event in events if isinstance(event, PhaseFinished | PhaseFailed)]
    return tuple(_total(phase, mine) for phase in Phase if (mine := _of(ends, phase)))


def _of(
    ends: Iterable[PhaseFinished | PhaseFailed], phase: Phase
) -> list[PhaseFinished | PhaseFailed]:
    return [event for event in ends if event.phase is phase]


def _total(phase: Phase, ends: list[PhaseFinished | PhaseFailed]) -> PhaseTotal:
    return PhaseTotal(
        phase=phase,
        times=len(ends),
        passed=sum(isinstance(event, PhaseFinished) for event in ends),
        seconds=sum(event.seconds for event in ends),
        setup_seconds=sum(one.setup_seconds for one in ends if isinstance(one, PhaseFinished)),
        usage=sum((event.usage for event in ends), start=Usage()),
    )
