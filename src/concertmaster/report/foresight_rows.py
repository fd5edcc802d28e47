"""Compares the files that tasks were predicted to change with those that they changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from concertmaster.planning.learnt_footprints import NOTHING_OBSERVED, ObservedPaths
from concertmaster.run.notices import Notice
from concertmaster.run.state import RunState
from concertmaster.run.task_record import TaskRecord

LIKELY = 0.5  # a file with at least this probability counts as predicted
MOST_PAIRS = 200  # of the collisions that were missed


@dataclass(frozen=True, slots=True, kw_only=True)
class ForesightRow:
    """The files of a task: those predicted with at least LIKELY, and those that it changed.

    `changed` is None if it is not known, as of a task without a result. `left_out` counts further
    files that it changed: an observation lists only so many, and no odd names.
    """

    predicted: tuple[str, ...] = ()
    changed: tuple[str, ...] | None = None
    precision: float | None = None  # the part of `predicted` that was changed
    recall: float | None = None  # the part of all changed files that was predicted
    left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MissedCollision:
    """A pair of tasks that changed the same files, neither of which had the other's change."""

    tasks: tuple[str, str]
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForesightTotals:
    """The predictions of a run against what its tasks changed, over tasks whose files are known.

    `hits` files were predicted and changed. `missed` has at most MOST_PAIRS pairs. `notices` are
    what was learnt while the run went on.
    """

    tasks: int
    predicted: int
    changed: int
    hits: int
    precision: float | None
    recall: float | None
    missed: tuple[MissedCollision, ...]
    notices: tuple[Notice, ...]


def compare_task(record: TaskRecord) -> ForesightRow:
    """Return what was predicted of the task and what it changed."""
    entries = record.task.footprint
    predicted = tuple(sorted(entry.path for entry in entries if entry.probability >= LIKELY))
    changed = _find_changed(record)
    if changed is None:
        return ForesightRow(predicted=predicted)
    hits, left_out = len({*predicted} & {*changed.changed}), changed.left_out
    return ForesightRow(
        predicted=predicted,
        changed=changed.changed,
        precision=_share(hits, len(predicted)),
        recall=_share(hits, len(changed.changed) + left_out),
        left_out=left_out,
    )


def _find_changed(record: TaskRecord) -> ObservedPaths | None:
    """Return the files that the last attempt with a result has changed."""
    done = [one for one in record.attempts if one.observed.is_done or one.no_op]
    if not done:
        return None
    return NOTHING_OBSERVED if done[-1].no_op else done[-1].observed


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def total_foresight(state: RunState, rows: Sequence[ForesightRow]) -> ForesightTotals:
    """Return the totals over the tasks of the run; `rows` are theirs."""
    known = [(row.predicted, row.changed) for row in rows if row.changed is not None]
    predicted, changed = (sum(len(row[side]) for row in known) for side in (0, 1))
    changed += sum(row.left_out for row in rows)
    hits = sum(len({*ours} & {*theirs}) for ours, theirs in known)
    return ForesightTotals(
        tasks=len(known),
        predicted=predicted,
        changed=changed,
        hits=hits,
        precision=_share(hits, predicted),
        recall=_share(hits, changed),
        missed=tuple(_find_missed(state))[:MOST_PAIRS],
        notices=state.notices,
    )


def _find_missed(state: RunState) -> Iterator[MissedCollision]:
    found = {key: _find_changed(record) or NOTHING_OBSERVED for key, record in state.tasks.items()}
    files = {key: {*observed.changed} for key, observed in found.items()}
    bases = {key: _find_base(record) for key, record in state.tasks.items()}
    for one, other in combinations(files, 2):
        common = files[one] & files[other]
        if common and one not in bases[other] and other not in bases[one]:
            yield MissedCollision(tasks=(one, other), paths=tuple(sorted(common)))


def _find_base(record: TaskRecord) -> set[str]:
    """Return the tasks whose changes any attempt was built on."""
    return {built.task for attempt in record.attempts for built in attempt.built_on}
