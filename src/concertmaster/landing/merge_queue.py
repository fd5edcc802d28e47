"""Decides which succeeded tasks are checked together and what lands.

The longest prefix that is likely to pass is checked first; it is the whole batch unless that is
large. When it fails and the base passes, some prefix passes and fails with one task more, however
the tasks affect each other. A search over the prefixes finds that task, the culprit. Each prefix
that passes may land as it was tested.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import log2

from concertmaster import graph
from concertmaster.commands import CheckBatch, LandBatch, MergeCandidate
from concertmaster.events import BatchChecked, BatchLanded, MergeConflicted, TargetMoved
from concertmaster.landing.fault import Fault, LandingFault
from concertmaster.landing.flake_rules import count_confirmations
from concertmaster.landing.prefix_plan import choose_prefix
from concertmaster.model import NO_FLAKES, Built, KnownFlakes

# A single suspect is checked again so often, and more often where the check is known as flaky.
CONFIRMATIONS = 2
LARGEST_BATCH = 256  # the plan of its checks costs the square of its size
TRUST = 2.0  # culprits that are found, or expected in vain, until the risks change by much
MOST_CHECKS_PER_TASK = 1.5


class PendingStep(StrEnum):
    """The step whose answer the queue waits for."""

    NOTHING = ""
    BASE = "base"
    CHECK = "check"
    LAND = "land"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedTask:
    """A succeeded task that has not landed.

    `risk` is the probability that it is a culprit. `is_checked` says whether it passed the check on
    its own base.
    """

    task: str
    title: str
    base: str
    head: str
    built_on: tuple[Built, ...]
    needs: frozenset[str]
    risk: float
    is_checked: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledTasks:
    """The tasks that need no further decision.

    `intact` gives the heads of the tasks that landed unchanged; `landed` are all that landed;
    `lost` are those that will not land.
    """

    intact: Mapping[str, str]
    landed: frozenset[str]
    lost: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """The state of the merge queue; `passed` and `failed` are lengths of prefixes of `batch`."""

    tip: str = ""
    tip_green: bool = False
    asked: PendingStep = PendingStep.NOTHING
    batch: tuple[QueuedTask, ...] = ()
    passed: int = 0
    failed: int | None = None
    confirmations: int = 0
    red_reason: str = ""
    red_evidence: str = ""  # the end of the log of the check that failed
    red_tips: int = 0  # how often the tip itself failed the check
    commit: str = ""  # the tested commit of the prefix that passed
    is_landing: bool = False  # the prefix may be on the target; also after a crash
    reapplied: frozenset[str] = frozenset()
    aside: frozenset[str] = frozenset()  # conflicted behind others; tried again on the next tip
    green: frozenset[str] = frozenset()
    red: frozenset[str] = frozenset()
    flaky: tuple[str, ...] = ()
    diverted: str = ""  # why results land on our own branch instead of the target
    stuck: str = ""  # why nothing can land any more
    checks: int = 0  # that ran, without those of the tip and without confirmations
    decided: int = 0  # tasks that landed or were culprits
    found: int = 0  # culprits
    expected: float = 0.0  # culprits among the decided tasks, by their risks
    known: KnownFlakes = NO_FLAKES
    excused: int = 0  # failures in a row in which only known flakes failed


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStep:
    """The queue's new state, its next command if there is one, and culprits with their faults."""

    landing: Landing
    command: CheckBatch | LandBatch | None = None
    culprits: Mapping[str, Fault] = field(default_factory=dict)


def advance_queue(
    landing: Landing, contenders: Sequence[QueuedTask], *, settled: SettledTasks
) -> QueueStep:
    """Return the next step. `contenders` are the open tasks in the plan's order."""
    if landing.asked or landing.stuck:
        return QueueStep(landing=landing)
    if not landing.batch:
        landing = _gather_batch(landing, contenders, settled)
    if not landing.batch:
        return QueueStep(landing=landing)
    return _move(landing, settled)


def end_queue(landing: Landing) -> QueueStep:
    """Return the last step when the time is over: what has passed lands, no check starts."""
    if landing.asked or not landing.passed:
        return QueueStep(landing=landing)
    return _land(landing)


def _gather_batch(
    landing: Landing, contenders: Sequence[QueuedTask], settled: SettledTasks
) -> Landing:
    """Start a batch. The tasks that were set aside come back when no other task can join."""
    batch = collect_queue(contenders, settled=settled, aside=landing.aside)[:LARGEST_BATCH]
    if batch or not landing.aside:
        return with_batch(landing, batch)
    return _gather_batch(replace(landing, aside=frozenset()), contenders, settled)


def collect_queue(
    contenders: Sequence[QueuedTask], *, settled: SettledTasks, aside: frozenset[str]
) -> tuple[QueuedTask, ...]:
    """Return the largest batch that can be checked, in the order of its merges.

    Each need of a member has landed or comes before it. Each task that it is built on has landed,
    is lost or comes before it. Needs come first, then the tasks with the least risk.
    """
    named = {c.task: c for c in contenders}
    before = {
        c.task: frozenset(b.task for b in c.built_on) | (c.needs & named.keys()) for c in contenders
    }
    rank = {c.task: i for i, c in enumerate(sorted(contenders, key=lambda c: c.risk))}
    batch: dict[str, QueuedTask] = {}
    for task in graph.sort(before, rank=rank):
        contender = named[task]
        away = {on for on in before[task] | contender.needs if on not in batch}
        away = {on for on in away if on not in settled.landed}
        may_build = all(on in settled.lost for on in away)
        if task not in aside and may_build and away.isdisjoint(contender.needs):
            batch[task] = contender
    return tuple(batch.values())


def with_batch(landing: Landing, batch: tuple[QueuedTask, ...]) -> Landing:
    """Return the state with a new batch of which nothing is known."""
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
    """Return the next step for the current batch: land, check a prefix or name the culprit."""
    length, passed, failed = len(landing.batch), landing.passed, landing.failed
    if passed == length:
        return _land(landing)
    if failed is not None and passed == 0 and not landing.tip_green:
        return _check_prefix(landing, 0, settled=settled, known_red=frozenset())
    if failed is None or failed - passed > 1:
        return _check_prefix(landing, choose_size(landing), settled=settled)
    if landing.confirmations < count_confirmations(landing.known, least=CONFIRMATIONS):
        return _check_prefix(landing, failed, settled=settled, known_red=frozenset())
    return _name_culprit(landing)


def choose_size(landing: Landing) -> int:
    """Return the length of the prefix to check next; 1 more once the risks proved too wrong."""
    left, total = len(landing.batch) - landing.passed, landing.decided + len(landing.batch)
    if landing.checks + left + 1 > MOST_CHECKS_PER_TASK * total:
        return landing.passed + 1
    ratio = (TRUST + landing.found) / (TRUST + landing.expected)
    scale = 2.0 ** (round(2.0 * log2(ratio)) / 2.0)  # in few steps, so that plans are used again
    risks = [min(c.risk * scale, 1.0) for c in landing.batch]
    return choose_prefix(risks, passed=landing.passed, failed=landing.failed)


def _check_prefix(
    landing: Landing, length: int, *, settled: SettledTasks, known_red: frozenset[str] | None = None
) -> QueueStep:
    """Return the step that checks the first `length` tasks of the batch.

    An empty `known_red` has a tree checked again that failed before.
    """
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
    """Return the step that names the task behind the green prefix; only the prefix stays."""
    culprit, company = landing.batch[landing.passed], landing.batch[: landing.passed]
    fault = Fault(
        kind=LandingFault.CULPRIT,
        told=landing.red_reason,
        tip=landing.tip,
        behind=tuple(c.task for c in company),
        is_checked=culprit.is_checked,
    )
    landing = replace(count_decided(landing, (culprit,), found=1), batch=company, failed=None)
    rest = _land(landing) if company else QueueStep(landing=with_batch(landing, ()))
    return replace(rest, culprits={culprit.task: fault})


def count_decided(landing: Landing, tasks: Sequence[QueuedTask], *, found: int) -> Landing:
    """Return the state with these tasks counted as decided, `found` of them as culprits."""
    return replace(
        landing,
        decided=landing.decided + len(tasks),
        found=landing.found + found,
        expected=landing.expected + sum(task.risk for task in tasks),
    )


def _candidates(batch: Sequence[QueuedTask], settled: SettledTasks) -> tuple[MergeCandidate, ...]:
    """Return the tasks as merge candidates.

    One is merged as it is when all that it is built on landed or is merged unchanged.
    """
    ahead: dict[str, str] = {}
    found = []
    for c in batch:
        as_it_is = all(
            b.head in (ahead.get(b.task), settled.intact.get(b.task)) for b in c.built_on
        )
        if as_it_is:
            ahead[c.task] = c.head
        found.append(
            MergeCandidate(task=c.task, title=c.title, base=c.base, head=c.head, as_it_is=as_it_is)
        )
    return tuple(found)


def record_check(landing: Landing, event: BatchChecked) -> Landing:
    """Return the state after the check of a prefix."""
    length = len(event.tasks)
    is_new = length > 0 and not event.cached and landing.failed != length
    landing = replace(landing, asked=PendingStep.NOTHING, checks=landing.checks + is_new)
    if event.passed:
        return _record_green(landing, event, length)
    if length == 0:
        return _record_red_tip(landing, event)
    return replace(
        landing,
        failed=length,
        confirmations=landing.confirmations + 1 if landing.failed == length else 0,
        red_reason=event.reason,
        red_evidence=event.evidence or landing.red_evidence,
        red=landing.red | {event.tree},
    )


def _record_red_tip(landing: Landing, event: BatchChecked) -> Landing:
    if landing.red_tips < count_confirmations(landing.known, least=CONFIRMATIONS):
        return replace(landing, red_tips=landing.red_tips + 1)
    reason = f"the target itself does not pass the check: {event.reason}"
    return replace(with_batch(landing, ()), stuck=reason)


def _record_green(landing: Landing, event: BatchChecked, length: int) -> Landing:
    """Return the state after a passed check; a task behind which it had failed is flaky."""
    landing = replace(landing, green=landing.green | {event.tree}, red=landing.red - {event.tree})
    if length == 0:
        return replace(landing, tip_green=True)
    if landing.failed == length:
        flaky = landing.batch[length - 1].task
        landing = replace(landing, failed=None, confirmations=0, flaky=(*landing.flaky, flaky))
    return replace(
        landing, passed=length, commit=event.commit, reapplied=frozenset(event.reapplied)
    )


def record_conflict(landing: Landing, event: MergeConflicted) -> Landing:
    """Return the state after a conflict: the rest of the batch is collected anew.

    A task that conflicts behind others is set aside. It is tried again on the next tip, or when no
    other task is left.
    """
    landing = replace(with_batch(landing, ()), asked=PendingStep.NOTHING)
    return replace(landing, aside=landing.aside | {event.task}) if event.behind else landing


def record_landed(landing: Landing, event: BatchLanded) -> Landing:
    """Return the state after a landing; the tested commit is the new tip."""
    landed = tuple(task for task in landing.batch if task.task in event.tasks)
    landing = count_decided(landing, landed, found=0)
    return replace(
        with_batch(landing, ()),
        asked=PendingStep.NOTHING,
        tip=event.commit,
        tip_green=True,
        red_tips=0,
        aside=frozenset(),
        diverted=landing.diverted or event.reason or event.branch,
    )


def record_moved(landing: Landing, event: TargetMoved) -> Landing:
    """Return the state after somebody else moved the target: all is merged and checked again."""
    return replace(
        with_batch(landing, ()),
        asked=PendingStep.NOTHING,
        tip=event.tip or landing.tip,  # the target was deleted
        tip_green=False,
        red_tips=0,
        aside=frozenset(),
    )
