"""Records observed footprints, and moves the exclusions of waiting tasks with them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from concertmaster import graph
from concertmaster.events import FootprintObserved, PhaseFailed
from concertmaster.model import FootprintEntry, Plan, TaskState
from concertmaster.planning.collisions import SURE, Meeting, meet, recall_history
from concertmaster.planning.exclusions import worth_excluding
from concertmaster.planning.learnt_footprints import ObservedPaths, learn_footprint
from concertmaster.planning.scheduler import Network
from concertmaster.run.notices import Notice, NoticeKind
from concertmaster.run.task_record import Attempt, TaskRecord
from concertmaster.run.yielding import find_earlier_writers

Records = Mapping[str, TaskRecord]
MOST_NOTICES = 1000  # of a run


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """What follows from an observation: the task's record, the exclusions, and what to report."""

    record: TaskRecord
    excluded: graph.Graph
    notices: tuple[Notice, ...] = ()


def learn_paths(
    plan: Plan, network: Network, records: Records, event: FootprintObserved
) -> Learnt | None:
    """Return what follows from the observation; None if it tells nothing new.

    An observation of an attempt that is over comes too late and tells nothing.
    """
    before = records[event.task]
    attempt = before.attempt
    if attempt is None or attempt.number != event.attempt or not before.is_busy:
        return None
    seen = attempt.observed.add(event.sighting, event.paths, left_out=event.left_out)
    record = _with_attempt(before, replace(attempt, observed=seen))
    known = {**records, event.task: record}
    learnt = learn_again(plan, network, known, event)
    new = {*seen.changed} - {*attempt.observed.changed}
    entered = tuple(_find_entered(records, event, new))
    planned = set[str]() if seen.is_done else {*seen.planned} - {*attempt.observed.planned}
    writers = _find_writers(plan, network, known, event.task, new | planned)
    if writers:
        numbered = ((on, len(records[on].attempts)) for on in writers)
        behind = replace(attempt, observed=seen, writers=(*attempt.writers, *numbered))
        learnt = replace(learnt, record=_with_attempt(before, behind))
    return replace(learnt, notices=(*learnt.notices, *entered))


def _with_attempt(record: TaskRecord, attempt: Attempt) -> TaskRecord:
    return replace(record, attempts=(*record.attempts[:-1], attempt))


def _find_writers(
    plan: Plan, network: Network, records: Records, task: str, paths: Collection[str]
) -> tuple[str, ...]:
    """Return the tasks that the task is to go on behind.

    They changed one of the paths first, and a collision would cost more than the wait.
    """
    writers = find_earlier_writers(plan, network, records, task, paths)
    if not writers:
        return ()
    learnt, ours = recall_history(plan.pair_history), find_footprint(records[task])
    find_price = _prepare_price(plan, network, records)
    met = {on: meet(ours, find_footprint(records[on]), learnt) for on in writers}
    return tuple(on for on in writers if met[on].collision > find_price(met[on]))


def learn_again(
    plan: Plan, network: Network, records: Records, event: FootprintObserved | PhaseFailed
) -> Learnt:
    """Return what follows for other tasks from what is known of the event's task."""
    record = records[event.task]
    moves: tuple[Notice, ...] = ()
    if any(attempt.observed.events for attempt in record.attempts):
        moves = tuple(_find_moves(plan, network, records, event))
    return Learnt(record=record, excluded=_move(network, moves), notices=moves)


def find_footprint(record: TaskRecord) -> tuple[FootprintEntry, ...]:
    """Return the footprint of a task with all that is known of its attempts."""
    attempts = [attempt.observed for attempt in record.attempts]
    if not any(one.events for one in attempts):
        return record.task.footprint
    return learn_footprint(
        record.task.footprint,
        attempts,
        declared=record.task.touches,
        is_between=record.state is TaskState.WAITING,
    )


def _find_moves(
    plan: Plan, network: Network, records: Records, event: FootprintObserved | PhaseFailed
) -> Iterator[Notice]:
    """Yield the exclusions with waiting tasks that begin or end."""
    task, learnt = event.task, recall_history(plan.pair_history)
    predicted, known = records[task].task.footprint, find_footprint(records[task])
    find_price, paths = _prepare_price(plan, network, records), {entry.path for entry in known}
    for other in _find_partners(network, records, task):
        theirs, is_apart = find_footprint(records[other]), other in network.excluded[task]
        if not is_apart and paths.isdisjoint(entry.path for entry in theirs):
            continue
        now = meet(known, theirs, learnt)
        is_dear = now.collision > find_price(now)
        if is_dear is is_apart:
            continue
        was = meet(predicted, theirs, learnt)
        if (now.collision > was.collision) is not is_dear:  # the run has changed, not the footprint
            continue
        yield Notice(
            kind=NoticeKind.KEPT_APART if is_dear else NoticeKind.RELEASED,
            tasks=(other, task) if records[task].is_busy else (task, other),
            paths=(now if is_dear else was).paths,
            at=event.at,
        )


def _find_partners(network: Network, records: Records, task: str) -> Iterator[str]:
    """Yield the tasks that can be kept apart from this one: one of the two waits.

    A need that puts one behind the other keeps them apart anyway.
    """
    before, after = network.before, network.after
    ordered = graph.find_before(before, [task]) | graph.find_before(after, [task])
    waits = records[task].state is TaskState.WAITING
    for other, record in records.items():
        is_partner = record.is_busy if waits else record.state is TaskState.WAITING
        if is_partner and other not in ordered and other != task:
            yield other


def _prepare_price(plan: Plan, network: Network, records: Records) -> Callable[[Meeting], float]:
    """Return the P(collision) above which two tasks are kept apart, as the run stands now."""
    is_open = {key for key, record in records.items() if not record.state.is_over}
    apart = sum(len(network.excluded[key] & is_open) for key in is_open) / 2
    pairs = len(is_open) * (len(is_open) - 1) / 2
    density = apart / pairs if pairs else 0.0

    def find_price(met: Meeting) -> float:
        tasks, slots = len(is_open), plan.slots
        return worth_excluding(tasks, slots=slots, density=density, certainty=met.share)

    return find_price


def _move(network: Network, moves: Collection[Notice]) -> graph.Graph:
    if not moves:
        return network.excluded
    excluded = {key: {*others} for key, others in network.excluded.items()}
    for move in moves:
        for one, other in (move.tasks, move.tasks[::-1]):
            if move.kind is NoticeKind.KEPT_APART:
                excluded[one].add(other)
            else:
                excluded[one].discard(other)
    return {key: frozenset(others) for key, others in excluded.items()}


def _find_entered(
    records: Records, event: FootprintObserved, new: Collection[str]
) -> Iterator[Notice]:
    """Yield the running tasks whose files the task has begun to change."""
    for other, record in records.items():
        if other == event.task or not record.is_busy or record.attempt is None:
            continue
        paths = tuple(sorted(_find_region(record, record.attempt.observed).intersection(new)))
        if paths:
            tasks = (event.task, other)
            yield Notice(kind=NoticeKind.ENTERED, tasks=tasks, paths=paths, at=event.at)


def _find_region(record: TaskRecord, observed: ObservedPaths) -> set[str]:
    """Return the paths that are a running task's own: changed, planned, or named for it."""
    if observed.is_done:
        return {*observed.changed}
    entries = find_footprint(record)
    return {entry.path for entry in entries if entry.probability >= SURE}
