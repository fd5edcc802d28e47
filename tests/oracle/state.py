"""Holds the state of a run without indexes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from concertmaster.landing.merge_queue import Landing
from concertmaster.model import Plan, Shortage
from concertmaster.planning.scheduler import Network
from concertmaster.run.notices import Notice
from concertmaster.run.task_record import TaskRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """The state of a run; `stopped` is the reason why no further agent may start."""

    plan: Plan
    network: Network
    tasks: Mapping[str, TaskRecord]
    landing: Landing
    base_green: bool | None = None
    base_reason: str = ""
    cancelled: bool = False
    ending: frozenset[str] = frozenset()
    stopped: str = ""
    paused_until: float = 0.0  # epoch seconds, 0 = it is not paused
    pauses: int = 0  # in a row, without a finished phase between them
    is_awaiting: bool = False
    throttled: str = ""  # the reason why new attempts wait
    short: Shortage | None = None
    is_measuring: bool = False
    failures: int = 0  # failures of agents themselves in a row, across tasks
    budget_usd: float | None = None
    is_halted: bool = False  # running phases end as well
    keeping: frozenset[str] = field(default_factory=frozenset)
    finishing: bool = False
    finished: bool = False
    notices: tuple[Notice, ...] = ()

    @property
    def is_working(self) -> bool:
        """Return whether an attempt or the train runs."""
        return bool(self.landing.asked) or any(record.is_busy for record in self.tasks.values())

    def put(self, record: TaskRecord) -> RunState:
        """Return the state with this record in place of the task's old one."""
        return replace(self, tasks={**self.tasks, record.task.id: record})

    @property
    def cost_usd(self) -> float:
        """Return the sum of all costs that agents reported so far, in US dollars."""
        usages = [
            usage
            for record in self.tasks.values()
            for attempt in record.attempts
            for usage in (*attempt.usages, attempt.lost_usage)
        ]
        return sum(usage.cost_usd or 0.0 for usage in usages)
