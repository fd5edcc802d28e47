"""The words of the design as frozen values, shared by every layer."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum

PLAN_VERSION = 1


class TaskState(StrEnum):
    """Where a task stands in its run."""

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
        """No agent will work on the task again in this run."""
        return self not in (TaskState.WAITING, TaskState.RUNNING)

    @property
    def is_lost(self) -> bool:
        """The task's change will not reach the target in this run."""
        return self in (TaskState.BLOCKED, TaskState.LEFT_OUT, TaskState.FAILED)


class Outcome(StrEnum):
    """How an attempt ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"
    TIMED_OUT = "timed_out"
    LIMITED = "limited"
    OVER_BUDGET = "over_budget"
    CANCELLED = "cancelled"
    LOST = "lost"


class Phase(StrEnum):
    """One step of WorkflowMaster in an attempt, in the order they run."""

    PREPARE = "prepare"
    RESEARCH = "research"
    IMPLEMENT = "implement"
    TEST = "test"
    DOCUMENT = "document"
    REVIEW = "review"
    DELIVER = "deliver"


LEAN_PHASES = (Phase.PREPARE, Phase.IMPLEMENT, Phase.TEST, Phase.DELIVER)


class LandingMode(StrEnum):
    """How results reach the target."""

    MERGE = "merge"
    PULL_REQUESTS = "pull-requests"
    SINGLE_PULL_REQUEST = "single-pull-request"
    BRANCHES = "branches"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One prompt file, parsed. `path` is relative to the repository, or absolute outside it."""

    path: str
    title: str
    text: str
    completed: str = ""  # the mark that says the work is done, "" where there is none
    needs: tuple[str, ...] = ()
    touches: tuple[str, ...] = ()
    check: str = ""
    estimate_seconds: float | None = None
    agent: str = ""
    priority: int = 0
    phases: tuple[Phase, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FootprintEntry:
    """One path that a task is predicted to touch; `lines` is first and last, 1-based."""

    path: str
    probability: float
    reason: str
    lines: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One prompt in one run."""

    id: str
    prompt: str
    blob: str
    title: str
    estimate_seconds: float
    estimate_cost_usd: float | None = None  # where past tasks tell any
    estimate_reason: str = ""  # where the seconds are from
    footprint: tuple[FootprintEntry, ...] = ()
    notes: tuple[str, ...] = ()
    touches: tuple[str, ...] = ()
    check: str = ""
    agent: str = ""
    priority: int = 0
    phases: tuple[Phase, ...] = ()
    evidence: str = ""  # why it did not land in an earlier round
    branch: str = ""  # the branch of the user's that is the work, where no agent does any


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """`task` runs after `on`; a hard need must also land, an `after` only ends first."""

    task: str
    on: str
    hard: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """Two tasks that may not run at the same time."""

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
class RunSettings:
    """All settings of a run, frozen in its plan."""

    agent: str  # "" = no agent has a part in it
    agent_command: str = ""
    agent_model: str = ""  # of `agent`; "" = the one that it is set to
    agent_environment: tuple[str, ...] = ()  # names of variables that agents may see as well
    setup: str = ""
    setup_reason: str = ""  # why it is this one; "" = it was given
    check: str = ""
    landing: LandingMode = LandingMode.MERGE
    phases: tuple[Phase, ...] = LEAN_PHASES
    timeout_seconds: float = 2700.0
    check_timeout_seconds: float = 1800.0
    budget_usd: float | None = None
    attempts: int = 2
    fix_attempts: int = 3  # how often a phase may send the work back to the agent
    longest_pause_seconds: float | None = None  # a longer usage limit stops the run
    repairs: int = 1  # further rounds for a task that did not land with the others
    rounds: int = 3  # that a run on GitHub begins by itself
    protected: tuple[str, ...] = ()
    requester: str = ""  # "Name <email>", credited as co-author
    made_at: int = 0  # epoch seconds; the date of every commit that we make


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
    predicted_cost_usd: float | None = None  # of those tasks of which it is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A task whose change a base contains, as the commit it contains."""

    task: str
    head: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What an agent consumed; `cost_usd` is None where its CLI does not tell."""

    cost_usd: float | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    is_estimated: bool = False  # the cost, from a table of prices

    def __add__(self, other: Usage) -> Usage:
        costs = [cost for cost in (self.cost_usd, other.cost_usd) if cost is not None]
        return Usage(
            cost_usd=sum(costs) if costs else None,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            is_estimated=self.is_estimated or other.is_estimated,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PathChange:
    """One path that differs between two trees; modes as git prints them, "000000" = absent."""

    path: str
    old_mode: str
    new_mode: str
    blob: str = field(default="")
    link_target: str = ""  # where a new symlink points


REPORT_VERSION = 1


def select(wanted: Collection[Phase]) -> tuple[Phase, ...]:
    """The phases to run, in order; prepare, implement, test and deliver are always in."""
    return tuple(phase for phase in Phase if phase in LEAN_PHASES or phase in wanted)


class Shortage(StrEnum):
    """What the machine is short of."""

    MEMORY = "memory"
    DISK = "disk"
