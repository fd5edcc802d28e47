"""Decides which running task gives its slot up for another that changed the same file first.

A task yields only to one that runs, or that is done, and at most once to each. So no two wait for
each other: who has yielded does not run, and its next attempt begins behind the other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from concertmaster import graph
from concertmaster.model import Carried, Outcome, Plan, TaskState
from concertmaster.planning.scheduler import Network
from concertmaster.run.notices import Notice, NoticeKind
from concertmaster.run.task_record import Attempt, TaskRecord
from concertmaster.settings.choices import Phase, Radar

Records = Mapping[str, TaskRecord]
# What these phases came to holds on another base; the others judge one tree.
_LASTING = (Phase.RESEARCH, Phase.DOCUMENT)


def find_earlier_writers(
    plan: Plan, network: Network, records: Records, task: str, paths: Collection[str]
) -> tuple[str, ...]:
    """Return the tasks that changed one of the paths before this running task did.

    Those in its base are left out, and those that an order or an exclusion puts before it or
    behind it. `paths` are the ones that have just become known of the task.
    """
    record = records[task]
    attempt = record.attempt
    if plan.settings.radar is not Radar.HOLD or attempt is None or attempt.repair is not None:
        return ()
    before = graph.find_before(network.before, [task]) | graph.find_before(network.after, [task])
    known = {task, *before, *network.excluded[task], *record.yielded_to, *dict(attempt.writers)}
    known |= {built.task for built in attempt.built_on}
    return tuple(
        other
        for other, its in records.items()
        if other not in known
        and (its.is_busy or its.has_change)
        and not _find_changed(its).isdisjoint(paths)
        and not _waits_for(records, other, task)
    )


def _find_changed(record: TaskRecord) -> set[str]:
    """Return the paths that the newest attempt has changed, or the work it goes on with."""
    if record.attempt is None:
        return set()
    newest = record.attempt.observed
    has_more = record.attempt.carried is not None and not newest.is_done
    return {*newest.changed, *(record.attempts[-2].observed.changed if has_more else ())}


def _waits_for(records: Records, one: str, other: str) -> bool:
    """Return whether the task is to yield to the other, directly or by way of further ones."""
    seen, queue = {one}, [one]
    while queue:
        ahead = {*_find_present(records[queue.pop()].attempt, records)} - seen
        if other in ahead:
            return True
        seen |= ahead
        queue.extend(ahead)
    return False


def _find_present(attempt: Attempt | None, records: Records) -> tuple[str, ...]:
    """Return the tasks whose change came first and is still there: they run or are done."""
    if attempt is None or attempt.outcome is not None:
        return ()
    return tuple(
        on
        for on, number in attempt.writers
        if len(records[on].attempts) == number and (records[on].is_busy or records[on].has_change)
    )


def find_writers_ahead(record: TaskRecord, records: Records) -> tuple[str, ...]:
    """Return the tasks for which this one gives its slot up, as one of its phases has ended.

    Work that was carried over is first fitted to its base.
    """
    attempt = record.attempt
    if attempt is None or not record.is_busy or record.cancelled:
        return ()
    is_unfit = attempt.carried is not None and Phase.IMPLEMENT not in attempt.holds
    return () if is_unfit else _find_present(attempt, records)


def yield_slot(record: TaskRecord, writers: Collection[str]) -> TaskRecord:
    """Return the record of a task that waits, and whose next attempt goes on with its work."""
    attempt = record.attempts[-1]
    reason = f"goes on behind {', '.join(writers)}"
    ended = replace(attempt, outcome=Outcome.YIELDED, reason=reason)
    return replace(
        record,
        state=TaskState.WAITING,
        reason=reason,
        attempts=(*record.attempts[:-1], ended),
        carried=_carry(attempt),
        yielded_to=(*record.yielded_to, *writers),
        stopping=False,
    )


def _carry(attempt: Attempt) -> Carried:
    is_changed = attempt.checkpoint != attempt.base
    return Carried(
        base=attempt.base,
        head=attempt.checkpoint if is_changed else "",
        holds=tuple(phase for phase in attempt.holds if phase in _LASTING),
        evidence=attempt.evidence,
    )


def note_yielding(record: TaskRecord, on: str, other: TaskRecord, *, at: float) -> Notice:
    """Return the notice that the task goes on behind the other, with the files of both."""
    ours = record.attempts[-1].observed
    paths = ({*ours.changed} | {*ours.planned}) & _find_changed(other)
    tasks = (record.task.id, on)
    return Notice(kind=NoticeKind.YIELDED, tasks=tasks, paths=tuple(sorted(paths)), at=at)


def keep_apart(network: Network, task: str, others: Collection[str]) -> graph.Graph:
    """Return the exclusions with those of the task with the others."""
    excluded = dict(network.excluded)
    excluded[task] = excluded[task] | {*others}
    for other in others:
        excluded[other] = excluded[other] | {task}
    return excluded
