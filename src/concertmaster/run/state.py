"""The state of a run: frozen values that only `machine` makes from one another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from concertmaster.landing.merge_queue import Landing
from concertmaster.model import Built, Outcome, Phase, Plan, Shortage, Task, TaskState, Usage
from concertmaster.planning.scheduler import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try of one task. `asked` is the phase that has no answer yet, `usages` are of those that
    met their exit condition, `holds` are those of them that do so for the tree as it is."""

    number: int
    asked: Phase | None = None
    redo: bool = False
    base: str = ""
    built_on: tuple[Built, ...] = ()
    folder: str = ""
    folder_released: bool = False
    folder_stays: bool = False  # it holds work that could not be saved
    checkpoint: str = ""
    interrupted_at: str = ""  # the checkpoint before that of a phase that met a usage limit
    session: str = ""
    no_op: str = ""
    usages: tuple[Usage, ...] = ()
    holds: tuple[Phase, ...] = ()
    returned: tuple[Phase, ...] = ()  # the phases that sent the work back, each time
    evidence: str = ""  # what they want to be mended
    findings: str = ""
    follow_ups: tuple[str, ...] = ()
    outcome: Outcome | None = None
    reason: str = ""
    saved: str = ""
    sensitive: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    lost_usage: Usage = Usage()
    resumes_at: float = 0.0  # when the usage limit ends that it ended by
    started_at: float = 0.0

    @property
    def head(self) -> str:
        """The one commit of a succeeded attempt, "" where it changed nothing."""
        return self.checkpoint if self.outcome is Outcome.SUCCEEDED and not self.no_op else ""

    @property
    def work(self) -> str:
        """The newest commit that holds something beyond the base, "" where none does."""
        newest = self.saved or self.checkpoint
        return newest if newest != self.base else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord:
    """A task and all that happened to it."""

    task: Task
    state: TaskState = TaskState.WAITING
    reason: str = ""
    attempts: tuple[Attempt, ...] = ()
    stopping: bool = False
    landed_as_it_is: bool = False
    held: bool = False  # only a person may merge it
    kept_on: str = ""

    @property
    def attempt(self) -> Attempt | None:
        return self.attempts[-1] if self.attempts else None

    @property
    def is_busy(self) -> bool:
        """A slot works on it."""
        return self.state is TaskState.RUNNING

    @property
    def head(self) -> str:
        return self.attempt.head if self.attempt else ""

    @property
    def has_change(self) -> bool:
        """There is a commit that others may build on."""
        return bool(self.head) and not self.state.is_lost

    @property
    def work(self) -> str:
        return next((a.work for a in reversed(self.attempts) if a.work), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """All that is known of a run. `stopped` says why no further agent may start."""

    plan: Plan
    network: Network
    tasks: Mapping[str, TaskRecord]
    landing: Landing
    base_green: bool | None = None
    base_reason: str = ""
    cancelled: bool = False
    stopped: str = ""
    paused_until: float = 0.0  # epoch seconds, 0 = it is not paused
    pauses: int = 0  # in a row, with nothing finished between them
    is_awaiting: bool = False
    throttled: str = ""  # why new attempts wait for the moment
    short: Shortage | None = None  # for the lack of what
    is_measuring: bool = False
    failures: int = 0  # of agents themselves, in a row, in whatever tasks
    budget_usd: float | None = None
    is_halted: bool = False  # what runs is ended as well, not only nothing new begun
    keeping: frozenset[str] = field(default_factory=frozenset)
    finishing: bool = False
    finished: bool = False

    @property
    def is_working(self) -> bool:
        """An attempt is on its way, or the train."""
        return bool(self.landing.asked) or any(record.is_busy for record in self.tasks.values())

    def put(self, record: TaskRecord) -> RunState:
        """The state with this record in the place of the task's old one."""
        return replace(self, tasks={**self.tasks, record.task.id: record})

    @property
    def cost_usd(self) -> float:
        """Everything that agents said they cost so far."""
        usages = [
            usage
            for record in self.tasks.values()
            for attempt in record.attempts
            for usage in (*attempt.usages, attempt.lost_usage)
        ]
        return sum(usage.cost_usd or 0.0 for usage in usages)
