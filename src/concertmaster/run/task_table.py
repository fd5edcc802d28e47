"""Keeps the task records of a run, with the sets of tasks that the state machine asks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from typing import Any

from concertmaster.graph import Graph
from concertmaster.model import TaskState
from concertmaster.persistent import PersistentMap, PersistentSet, PersistentStack
from concertmaster.planning.scheduler import Agenda, Network, rank_task
from concertmaster.run.task_record import TaskRecord
from concertmaster.settings.choices import LandingMode

ARRIVED = (TaskState.LANDED, TaskState.AWAITING_MERGE)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TaskTable(Mapping[str, TaskRecord]):
    """The tasks of a run in the plan's order, indexed by what can change.

    `put` keeps all indexes up to date. Its cost depends on the needs and exclusions of one task,
    not on the number of tasks.
    """

    network: Network
    mode: LandingMode
    records: PersistentMap[str, TaskRecord]
    counts: Mapping[TaskState, int]
    cost: Fraction  # US dollars; exact, so that it does not depend on the order of the events
    changes: PersistentStack[str]  # the tasks that changed their state, the newest first

    running: PersistentSet[str]
    asked: PersistentSet[str]  # a phase has no answer yet
    succeeded: PersistentSet[str]  # with a change that has not landed
    landed: PersistentSet[str]
    intact: PersistentMap[str, str]  # the heads that landed unchanged
    removable: PersistentSet[str]  # a worktree of an attempt that is over is still there

    keeping: PersistentSet[str]  # the work is being put on a branch
    unkept: PersistentSet[str]  # there is work that neither lies on a branch nor is on the target
    due: PersistentSet[str]  # the part of `unkept` that is put on a branch without waiting

    open_needs: PersistentMap[str, int]  # the number of tasks before each that are not settled
    ready: PersistentSet[str]
    agenda: Agenda
    doomed: PersistentSet[str]  # a hard need is lost, but the task is not yet
    absent: PersistentSet[str]  # others land without it: lost, held, or waiting for a held one

    @classmethod
    def build(
        cls,
        network: Network,
        records: Mapping[str, TaskRecord],
        *,
        mode: LandingMode,
        changes: PersistentStack[str] | None = None,
    ) -> TaskTable:
        """Return the table of these records; no work is being kept."""
        none: PersistentSet[str] = PersistentSet()
        empty = cls(
            network=network,
            mode=mode,
            records=PersistentMap(records),
            counts=Counter(record.state for record in records.values()),
            cost=sum(map(_spent, records.values()), Fraction()),
            changes=PersistentStack() if changes is None else changes,
            running=_select(records, _is_running),
            asked=_select(records, _is_asked),
            succeeded=_select(records, _is_contender),
            landed=_select(records, has_arrived),
            intact=PersistentMap({k: r.head for k, r in records.items() if _is_intact(r)}),
            removable=_select(records, _is_removable),
            keeping=none,
            unkept=none,
            due=none,
            open_needs=_count_open_needs(network, records),
            ready=none,
            agenda=Agenda(),
            doomed=none,
            absent=none,
        )
        return empty._with_derived(network.order)

    def _with_derived(self, keys: Iterable[str]) -> TaskTable:
        """Return the table with those indexes filled that depend on other tasks."""
        table = self
        for key in keys:
            table = table._keep_indexed(key)._ready_indexed(key)._needs_indexed(key)
        return table

    def __getitem__(self, key: str) -> TaskRecord:
        return self.records[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.network.position)

    def __len__(self) -> int:
        return len(self.records)

    def in_order(self, keys: Iterable[str]) -> list[str]:
        """Return the keys in the plan's order."""
        return sorted(keys, key=self.network.position.__getitem__)

    def changed_since(self, before: TaskTable) -> list[str]:
        """Return the tasks whose state is another than in an earlier table, in the plan's order."""
        changed = {*islice(self.changes, max(0, len(self.changes) - len(before.changes)))}
        return self.in_order(key for key in changed if self[key].state is not before[key].state)

    def is_open(self, key: str) -> bool:
        """Return whether the task is not over."""
        return not self.records[key].state.is_over

    # --- changes -------------------------------------------------------------------------------

    def put(self, record: TaskRecord) -> TaskTable:
        """Return the table with this record in place of the task's old one."""
        key, old = record.task.id, self.records[record.task.id]
        if old.state.is_over and not record.state.is_over:
            return self._reopen(record)
        table = self._with_record(key, old, record)
        if _usages(old) != _usages(record):
            table = replace(table, cost=table.cost + _spent(record) - _spent(old))
        if old.state is not record.state or old.held is not record.held:
            table = table._moved(key, old, record)
        return table._keep_indexed(key)

    def _reopen(self, record: TaskRecord) -> TaskTable:
        """Build all indexes anew: urgency rises when a task that was over loads others again."""
        records = {**self, record.task.id: record}
        changes = self.changes.push_front(record.task.id)
        table = TaskTable.build(self.network, records, mode=self.mode, changes=changes)
        return table.keep(*self.keeping)

    def exclude(self, excluded: Graph) -> TaskTable:
        """Return the table in which these tasks may not run at the same time.

        All indexes are built anew, because urgency depends on exclusions.
        """
        network = replace(self.network, excluded=excluded)
        table = TaskTable.build(network, dict(self), mode=self.mode, changes=self.changes)
        return table.keep(*self.keeping)

    def _with_record(self, key: str, old: TaskRecord, new: TaskRecord) -> TaskTable:
        """Return the table with the new record, and with the indexes of the record alone."""
        changed: dict[str, Any] = {"records": self.records.insert(key, new)}
        for name, holds in _OF_THE_RECORD.items():
            if holds(old) != (is_in := holds(new)):
                changed[name] = _marked(getattr(self, name), key, is_in)
        if _is_intact(old) or _is_intact(new):
            rest = self.intact.discard(key)
            changed["intact"] = rest.insert(key, new.head) if _is_intact(new) else rest
        return replace(self, **changed)

    def _moved(self, key: str, old: TaskRecord, new: TaskRecord) -> TaskTable:
        """Return the table with all that follows from the new state of the task."""
        counts = Counter(self.counts)
        counts.subtract([old.state])
        counts.update([new.state])
        table = replace(self, counts=counts, changes=self.changes.push_front(key))
        if old.is_busy and not new.is_busy:
            table = replace(table, agenda=table.agenda.release(key))
        needs = self.open_needs[key]
        if _is_settled(new, needs) and not _is_settled(old, needs):
            table = table._let_followers_start(key)
        is_lost_now = old.state.is_lost is not new.state.is_lost
        return table._ready_indexed(key)._spread_loss(key, is_lost_now=is_lost_now)

    def _let_followers_start(self, key: str) -> TaskTable:
        table, settled = self, [key]
        while settled:
            for follower in self.network.after[settled.pop()]:
                count = table.open_needs[follower] - 1
                table = replace(table, open_needs=table.open_needs.insert(follower, count))
                if count:
                    continue
                table = table._ready_indexed(follower)
                if rests_on_needs(table[follower]):
                    settled.append(follower)
        return table

    def _spread_loss(self, key: str, *, is_lost_now: bool) -> TaskTable:
        """Return the table with `doomed` and `absent` right for the task and all that needs it."""
        table, queue = self, [key]
        while queue:
            one = queue.pop()
            was_absent = one in table.absent
            table = table._needs_indexed(one)
            if was_absent is not (one in table.absent) or (one == key and is_lost_now):
                queue.extend(self.network.hard_after[one])
        return table

    # --- indexes that depend on more than the record -------------------------------------------

    def _ready_indexed(self, key: str) -> TaskTable:
        is_ready = self.records[key].state is TaskState.WAITING and not self.open_needs[key]
        if is_ready is (key in self.ready):
            return self
        agenda = self.agenda
        if is_ready:
            agenda = agenda.add(rank_task(self.network, key, self.is_open))
        return replace(self, ready=_marked(self.ready, key, is_ready), agenda=agenda)

    def _needs_indexed(self, key: str) -> TaskTable:
        record, needs = self.records[key], self.network.hard[key]
        is_out, arrived = record.state.is_lost, has_arrived(record)
        is_open = not (is_out or arrived)
        doomed = is_open and any(self.records[on].state.is_lost for on in needs)
        waits = not arrived and any(on in self.absent for on in needs)
        absent = is_out or record.held or waits
        if doomed is (key in self.doomed) and absent is (key in self.absent):
            return self
        return replace(
            self,
            doomed=_marked(self.doomed, key, doomed),
            absent=_marked(self.absent, key, absent),
        )

    def _keep_indexed(self, key: str) -> TaskTable:
        record = self.records[key]
        is_settled = record.is_busy or record.state in ARRIVED or record.kept_on != ""
        is_kept = is_settled or key in self.keeping or self.mode is LandingMode.NONE
        unkept = not is_kept and record.work != ""
        done = record.state is TaskState.SUCCEEDED and self.mode is LandingMode.BRANCHES
        due = not is_kept and ((record.state.is_lost and unkept) or (done and record.head != ""))
        if unkept is (key in self.unkept) and due is (key in self.due):
            return self
        return replace(
            self, unkept=_marked(self.unkept, key, unkept), due=_marked(self.due, key, due)
        )

    def keep(self, *keys: str) -> TaskTable:
        """Return the table in which the work of these tasks is being put on branches."""
        table = self
        for key in keys:
            table = replace(table, keeping=table.keeping.insert(key))._keep_indexed(key)
        return table

    def end_keeping(self, key: str) -> TaskTable:
        """Return the table in which the task's work is no longer being put on a branch."""
        return replace(self, keeping=self.keeping.discard(key))._keep_indexed(key)


def has_arrived(record: TaskRecord) -> bool:
    """Return whether the change is on the target, or on the branch of a diverted landing."""
    return record.state in ARRIVED and not record.held


def rests_on_needs(record: TaskRecord) -> bool:
    """Return whether the task is done without a change, so that others need what it needed."""
    return record.state.is_over and not record.state.is_lost and not record.head


def _is_settled(record: TaskRecord, open_needs: int) -> bool:
    """Return whether tasks that come after this one may start."""
    return record.state.is_over and not (rests_on_needs(record) and open_needs)


def _count_open_needs(
    network: Network, records: Mapping[str, TaskRecord]
) -> PersistentMap[str, int]:
    counts: dict[str, int] = {}
    for key in network.order:
        before = network.before[key]
        counts[key] = sum(not _is_settled(records[on], counts[on]) for on in before)
    return PersistentMap(counts)


def _is_running(record: TaskRecord) -> bool:
    return record.is_busy


def _is_asked(record: TaskRecord) -> bool:
    return record.attempt is not None and record.attempt.asked is not None


def _is_contender(record: TaskRecord) -> bool:
    return record.state is TaskState.SUCCEEDED and record.head != ""


def _is_intact(record: TaskRecord) -> bool:
    return record.landed_as_it_is and has_arrived(record)


def _is_removable(record: TaskRecord) -> bool:
    return any(attempt.is_removable for attempt in record.attempts)


_OF_THE_RECORD: Mapping[str, Callable[[TaskRecord], bool]] = {
    "running": _is_running,
    "asked": _is_asked,
    "succeeded": _is_contender,
    "landed": has_arrived,
    "removable": _is_removable,
}


def _select(
    records: Mapping[str, TaskRecord], holds: Callable[[TaskRecord], bool]
) -> PersistentSet[str]:
    return PersistentSet(key for key, record in records.items() if holds(record))


def _marked(found: PersistentSet[str], key: str, is_in: bool) -> PersistentSet[str]:
    return found.insert(key) if is_in else found.discard(key)


def _usages(record: TaskRecord) -> tuple[object, ...]:
    return tuple((attempt.usages, attempt.lost_usage) for attempt in record.attempts)


def _spent(record: TaskRecord) -> Fraction:
    """Return all that the agents of the task said they cost, in US dollars."""
    usages = (
        usage for attempt in record.attempts for usage in (*attempt.usages, attempt.lost_usage)
    )
    return sum((Fraction(usage.cost_usd) for usage in usages if usage.cost_usd), Fraction())
