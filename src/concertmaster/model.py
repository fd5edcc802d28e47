"""Declares the vocabulary of a run as frozen values, shared by every package."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

from concertmaster.settings.choices import LEAN_PHASES, HistoryShape, Phase
from concertmaster.settings.declarations import FrozenSettings

PLAN_VERSION = 5
# Since this version, results that do not land are repaired while the run goes on.
REPAIRING_VERSION = 2
# Since this version, the commit of a task names the blob of its prompt.
PROMPT_NAMING_VERSION = 3


class TaskState(StrEnum):
    """The state of a task in its run."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    LANDED = "landed"
    AWAITING_MERGE = "awaiting_merge"
    SKIPPED = "skipped"
    BLOCKED = "blocked"
    LEFT_OUT = "left_out"
    FAILED = "failed"

    @property
    def is_over(self) -> bool:
        """Return whether no agent will work on the task again in this run."""
        return self not in (TaskState.WAITING, TaskState.RUNNING)

    @property
    def is_lost(self) -> bool:
        """Return whether the task's change will not reach the target in this run."""
        return self in (TaskState.BLOCKED, TaskState.LEFT_OUT, TaskState.FAILED)


class Outcome(StrEnum):
    """The way an attempt ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"
    TIMED_OUT = "timed_out"
    LIMITED = "limited"
    OVER_BUDGET = "over_budget"
    NO_ACCESS = "no_access"  # a rejected key, an empty balance, a model that is not to be had
    CANCELLED = "cancelled"
    LOST = "lost"
    YIELDED = "yielded"  # it gave its slot up, and the next attempt goes on with its work


class Sighting(StrEnum):
    """The source of the paths that are observed of an attempt."""

    PLANNED = "planned"  # the agent's plan names them
    CHANGING = "changing"  # they differ while a phase runs
    CHANGED = "changed"  # they are all that the attempt has changed when a phase ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A parsed prompt file; `path` is relative to the repository, or absolute outside it."""

    path: str
    title: str
    text: str
    completed: str = ""  # the mark that says the work is done, "" if there is none
    needs: tuple[str, ...] = ()
    touches: tuple[str, ...] = ()
    check: str = ""
    estimate_seconds: float | None = None
    agent: str = ""
    priority: int = 0
    phases: tuple[Phase, ...] = ()
    id: str = ""  # under which prompts of another tool name it
    dependencies: tuple[str, ...] = ()  # ids of other tools; those that no prompt has are passed
    ignored: tuple[str, ...] = ()  # keys of other tools
    tasks: int = 0  # open tasks of a list, as spec-kit and Kiro write them


@dataclass(frozen=True, slots=True, kw_only=True)
class FootprintEntry:
    """A path that a task is predicted to touch; `lines` is first and last, counted from 1.

    `definitions` are those that the prompt points at, each with its share, the largest first.
    `names` are the names of code in the prompt that the file also has, in the prompt's order.
    """

    path: str
    probability: float
    reason: str
    lines: tuple[int, int] | None = None
    definitions: tuple[tuple[str, float], ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A prompt in a run."""

    id: str
    prompt: str
    blob: str
    title: str
    estimate_seconds: float
    estimate_cost_usd: float | None = None  # None if no past task has a cost
    estimate_reason: str = ""  # the source of the estimated seconds
    alone_seconds: float | None = None  # with one slot; None if no past runs tell
    footprint: tuple[FootprintEntry, ...] = ()
    unknown: bool = False  # nothing usable is known of its footprint
    notes: tuple[str, ...] = ()
    touches: tuple[str, ...] = ()
    check: str = ""
    agent: str = ""
    priority: int = 0
    phases: tuple[Phase, ...] = ()
    evidence: str = ""  # the reason it did not land in an earlier round
    branch: str = ""  # the user's branch that holds the work, if no agent does it
    lands_anyway: bool = False  # the path policy only reports what it changes
    earlier: Repair | None = None  # the result of an earlier run that this one goes on from


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A dependency: `task` starts after `on` is over; a hard need must also have succeeded."""

    task: str
    on: str
    hard: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """A pair of tasks that may not run at the same time."""

    tasks: tuple[str, str]
    probability: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A prompt that makes no task; `task` is the id it would have had."""

    prompt: str
    task: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings(FrozenSettings):
    """All settings of a run, frozen in its plan, and what was found when they were."""

    agent: str  # "" = no agent has a part in it
    history: HistoryShape = HistoryShape.MERGE  # what plans before version 4 mean
    phases: tuple[Phase, ...] = LEAN_PHASES
    setup_reason: str = ""  # why it is this setup; "" = it was given
    longest_pause_seconds: float | None = None  # a longer usage limit stops the run
    requester: str = ""  # "Name <email>", credited as co-author
    made_at: int = 0  # epoch seconds; the date of every commit that Concertmaster makes


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFlakes:
    """How often the check failed on trees that it passed, in past runs.

    `checks` are all checks of such trees, `failures` those that failed, `tests` what failed there.
    """

    checks: int = 0
    failures: int = 0
    tests: tuple[str, ...] = ()


NO_FLAKES = KnownFlakes()


@dataclass(frozen=True, slots=True, kw_only=True)
class PairHistory:
    """What the repository's history tells of two changes at the same time.

    `pair` are bias and slope of P(they share a file). `close` tells for a path how many pairs of
    near commits changed it side by side, and of how many; it holds the most frequent paths.
    """

    pair: tuple[float, float] = (0.0, 1.0)
    close: Mapping[str, tuple[int, int]] = field(default_factory=dict)


NO_PAIR_HISTORY = PairHistory()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The frozen answer of the planner and all settings of the run."""

    version: int = PLAN_VERSION
    run: str
    base: str
    target: str
    slots: int
    settings: RunSettings
    tasks: tuple[Task, ...]
    needs: tuple[Need, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    order: tuple[str, ...] = ()
    shares: tuple[tuple[str, ...], ...] = ()
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    makespan_seconds: float = 0.0
    lower_bound_seconds: float = 0.0
    sequential_seconds: float = 0.0
    predicted_cost_usd: float | None = None  # the sum over the tasks with a known estimate
    flakes: KnownFlakes = NO_FLAKES
    pair_history: PairHistory = NO_PAIR_HISTORY


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A task whose change a base contains; `head` is the commit that the base contains."""

    task: str
    head: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    """The end of a task's work, as landing needs it.

    `head` is the one commit to land on top of `base`, "" if there is none.
    """

    task: str
    state: TaskState
    reason: str = ""
    base: str = ""
    built_on: tuple[Built, ...] = ()
    head: str = ""

    def take(self, kind: type[TaskResult]) -> dict[str, Any]:
        """Return the values of the fields that `kind`, a class of this result, declares."""
        return {one.name: getattr(self, one.name) for one in fields(kind)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """An order to mend the change from `base` to `head`, which did not land.

    It is merged onto `tip`, "" as long as that is not known. `evidence` tells which check it broke,
    by the end of its log if it wrote one; "" if the change does not merge.
    """

    base: str
    head: str
    reason: str
    evidence: str = ""
    tip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """The work of an attempt that goes on in the next one, on another base.

    It is the change from `base` to `head`, "" if nothing was changed yet. `holds` are the phases
    that need not run again, `evidence` is the failure that was to be fixed.
    """

    base: str
    head: str
    holds: tuple[Phase, ...] = ()
    evidence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The consumption of an agent; `cost_usd` is None if its CLI does not report it."""

    cost_usd: float | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    is_estimated: bool = False  # the cost is computed from a table of prices

    def __add__(self, other: Usage) -> Usage:
        costs = [cost for cost in (self.cost_usd, other.cost_usd) if cost is not None]
        return Usage(
            cost_usd=sum(costs) if costs else None,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            is_estimated=self.is_estimated or other.is_estimated,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineState:
    """The state of a machine at one moment.

    `memory_bytes` and `disk_bytes` are free, on the fullest disk that a run writes to. `load` is
    the average over one minute. What could not be measured is None, or 0 processors.
    """

    memory_bytes: int | None = None
    disk_bytes: int | None = None
    load: float | None = None
    processors: int = 0
    versions: tuple[str, ...] = ()  # of the programs, such as "git 2.47.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class PathChange:
    """A path that differs between two trees; modes as git prints them, "000000" = absent."""

    path: str
    old_mode: str
    new_mode: str
    blob: str = field(default="")
    old_blob: str = ""
    link_target: str = ""  # the target of a new symlink


REPORT_VERSION = 1


def select(wanted: Collection[Phase]) -> tuple[Phase, ...]:
    """Return the phases to run, in order; prepare, implement, test and deliver are always in."""
    return tuple(phase for phase in Phase if phase in LEAN_PHASES or phase in wanted)


class Shortage(StrEnum):
    """A resource that the machine is short of."""

    MEMORY = "memory"
    DISK = "disk"
