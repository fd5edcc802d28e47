"""Holds the state of a run as frozen values; only `run.state_machine` computes new ones."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from concertmaster.landing.merge_queue import Landing
from concertmaster.model import Plan, Shortage
from concertmaster.planning.scheduler import Network
from concertmaster.run.notices import Notice
from concertmaster.run.task_record import TaskRecord
from concertmaster.run.task_table import TaskTable


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """The state of a run; `stopped` is the reason why no further agent may start."""

    plan: Plan
    tasks: TaskTable
    landing: Landing
    base_green: bool | None = None
    base_reason: str = ""
    cancelled: bool = False
    ending: frozenset[str] = frozenset()  # cancelled tasks whose last step has no answer yet
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
    finishing: bool = False
    finished: bool = False
    notices: tuple[Notice, ...] = ()  # what was learnt while the run went on

    @property
    def network(self) -> Network:
        """Return the needs and exclusions of the tasks."""
        return self.tasks.network

    @property
    def keeping(self) -> AbstractSet[str]:
        """Return the tasks whose work is being put on a branch."""
        return self.tasks.keeping

    @property
    def is_working(self) -> bool:
        """Return whether an attempt or the merge queue runs."""
        return bool(self.landing.asked) or bool(self.tasks.running)

    @property
    def cost_usd(self) -> float:
        """Return the sum of all costs that agents reported so far, in US dollars."""
        return float(self.tasks.cost)

    def put(self, record: TaskRecord) -> RunState:
        """Return the state with this record in place of the task's old one."""
        return replace(self, tasks=self.tasks.put(record))
