"""Chooses batches, without indexes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from concertmaster import graph
from concertmaster.commands import CheckBatch, LandBatch, MergeCandidate
from concertmaster.landing.fault import Fault, LandingFault
from concertmaster.landing.merge_queue import (
    CONFIRMATIONS,
    LARGEST_BATCH,
    Landing,
    PendingStep,
    QueuedTask,
    QueueStep,
    choose_size,
    count_decided,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledTasks:
    """The tasks whose end is decided: heads that landed unchanged, all that landed, all lost."""

    intact: Mapping[str, str]
    landed: frozenset[str]
    lost: frozenset[str]


def advance_queue(
    landing: Landing, contenders: Sequence[QueuedTask], *, settled: SettledTasks
) -> QueueStep:
    """What to do now. `contenders` come in the plan's order."""
    if landing.asked or landing.stuck:
        return QueueStep(landing=landing)
    if not landing.batch:
        landing = _gather_batch(landing, contenders, settled)
    if not landing.batch:
        return QueueStep(landing=landing)
    return _move(landing, settled)


def end_queue(landing: Landing) -> QueueStep:
    """The time is over: nothing more is checked, but what has passed still lands."""
    if landing.asked or not landing.passed:
        return QueueStep(landing=landing)
    return _land(landing)


def _gather_batch(
    landing: Landing, contenders: Sequence[QueuedTask], settled: SettledTasks
) -> Landing:
    """Those that were put aside come back when nothing else is left to try."""
    batch = collect_queue(contenders, settled=settled, aside=landing.aside)[:LARGEST_BATCH]
    if batch or not landing.aside:
        return _with_batch(landing, batch)
    return _gather_batch(replace(landing, aside=frozenset()), contenders, settled)


def collect_queue(
    contenders: Sequence[QueuedTask], *, settled: SettledTasks, aside: frozenset[str]
) -> tuple[QueuedTask, ...]:
    """The largest batch whose every member finds what it needs and is built on landed, lost or
    before it; needs first, then the safest."""
    named = {c.task: c for c in contenders}
    before = {
        c.task: frozenset(b.task for b in c.built_on) | (c.needs & named.keys()) for c in contenders
    }
    rank = {c.task: i for i, c in enumerate(sorted(contenders, key=lambda c: c.risk))}
    batch: dict[str, QueuedTask] = {}
    for task in graph.sort(before, rank=rank):
        contender = named[task]
        at_hand = settled.landed | batch.keys()
        may_build = {b.task for b in contender.built_on} <= at_hand | settled.lost
        if task not in aside and may_build and contender.needs <= at_hand:
            batch[task] = contender
    return tuple(batch.values())


def _with_batch(landing: Landing, batch: tuple[QueuedTask, ...]) -> Landing:
    return replace(
        landing,
        batch=batch,
        passed=0,
        failed=None,
        confirmations=0,
        red_reason="",
        red_evidence="",
        commit="",
        is_landing=False,
        reapplied=frozenset(),
    )


def _move(landing: Landing, settled: SettledTasks) -> QueueStep:
    length, passed, failed = len(landing.batch), landing.passed, landing.failed
    if passed == length:
        return _land(landing)
    if failed is not None and passed == 0 and not landing.tip_green:
        return _check_prefix(landing, 0, settled=settled, known_red=frozenset())
    if failed is None or failed - passed > 1:
        return _check_prefix(landing, choose_size(landing), settled=settled)
    if landing.confirmations < CONFIRMATIONS:
        return _check_prefix(landing, failed, settled=settled, known_red=frozenset())
    return _name_culprit(landing)


def _check_prefix(
    landing: Landing, length: int, *, settled: SettledTasks, known_red: frozenset[str] | None = None
) -> QueueStep:
    command = CheckBatch(
        tip=landing.tip,
        candidates=_candidates(landing.batch[:length], settled),
        green=landing.green,
        red=landing.red if known_red is None else known_red,
    )
    return QueueStep(landing=replace(landing, asked=PendingStep.CHECK), command=command)


def _land(landing: Landing) -> QueueStep:
    command = LandBatch(
        tasks=tuple(c.task for c in landing.batch[: landing.passed]),
        tip=landing.tip,
        commit=landing.commit,
        diverted=bool(landing.diverted),
    )
    landing = replace(landing, asked=PendingStep.LAND, is_landing=True)
    return QueueStep(landing=landing, command=command)


def _name_culprit(landing: Landing) -> QueueStep:
    culprit = landing.batch[landing.passed]
    company = landing.batch[: landing.passed]
    fault = Fault(
        kind=LandingFault.CULPRIT,
        told=landing.red_reason,
        tip=landing.tip,
        behind=tuple(c.task for c in company),
        is_checked=culprit.is_checked,
    )
    landing = replace(count_decided(landing, (culprit,), found=1), batch=company, failed=None)
    rest = _land(landing) if company else QueueStep(landing=_with_batch(landing, ()))
    return replace(rest, culprits={culprit.task: fault})


def _candidates(batch: Sequence[QueuedTask], settled: SettledTasks) -> tuple[MergeCandidate, ...]:
    intact = dict(settled.intact)
    found = []
    for c in batch:
        as_it_is = all(intact.get(b.task) == b.head for b in c.built_on)
        if as_it_is:
            intact[c.task] = c.head
        found.append(
            MergeCandidate(task=c.task, title=c.title, base=c.base, head=c.head, as_it_is=as_it_is)
        )
    return tuple(found)
