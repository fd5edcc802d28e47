"""How succeeded tasks reach the target: the union first, then a search over its prefixes.

The base is green, the union of a batch is red: then somewhere between them lies a prefix that is
green while one task more makes it red, whatever the tasks do to each other. Each green prefix
may land as it was tested.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import accumulate
from operator import mul

from concertmaster import graph
from concertmaster.commands import CheckBatch, LandBatch, MergeCandidate
from concertmaster.events import BatchChecked, BatchLanded, MergeConflicted, TargetMoved
from concertmaster.model import Built
from concertmaster.text.display import shorten_id

# A lone suspect is checked again this often before it is called the culprit.
CONFIRMATIONS = 2


class PendingStep(StrEnum):
    """What the train has not answered yet."""

    NOTHING = ""
    BASE = "base"
    CHECK = "check"
    LAND = "land"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedTask:
    """A succeeded task that has not landed. `risk` is its probability to be a culprit; what
    `is_checked` has passed on its own base."""

    task: str
    title: str
    base: str
    head: str
    built_on: tuple[Built, ...]
    needs: frozenset[str]
    risk: float
    is_checked: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledTask:
    """What has been decided: heads that landed unchanged, all that landed, all that will not."""

    intact: Mapping[str, str]
    landed: frozenset[str]
    lost: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """The train's state. `passed` and `failed` are lengths of prefixes of `batch`."""

    tip: str = ""
    tip_green: bool = False
    asked: PendingStep = PendingStep.NOTHING
    batch: tuple[QueuedTask, ...] = ()
    passed: int = 0
    failed: int | None = None
    confirmations: int = 0
    red_reason: str = ""
    red_tips: int = 0  # how often the tip itself failed the check
    searching: bool = False  # there was a culprit: the optimal plan says how many come next
    commit: str = ""  # the tested commit of the prefix that passed
    reapplied: frozenset[str] = frozenset()
    aside: frozenset[str] = frozenset()  # did not merge behind others; tried again on the next tip
    green: frozenset[str] = frozenset()
    red: frozenset[str] = frozenset()
    flaky: tuple[str, ...] = ()
    diverted: str = ""  # why results land on our own branch instead of the target
    stuck: str = ""  # why nothing can land any more


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStep:
    """The train's next move: a command, or a culprit (with the reason), or neither."""

    landing: Landing
    command: CheckBatch | LandBatch | None = None
    culprits: Mapping[str, str] = field(default_factory=dict)


def advance_queue(
    landing: Landing, contenders: Sequence[QueuedTask], *, settled: SettledTask
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
    landing: Landing, contenders: Sequence[QueuedTask], settled: SettledTask
) -> Landing:
    """Those that were put aside come back when nothing else is left to try."""
    batch = collect_queue(contenders, settled=settled, aside=landing.aside)
    if batch or not landing.aside:
        return _with_batch(landing, batch)
    return _gather_batch(replace(landing, aside=frozenset()), contenders, settled)


def collect_queue(
    contenders: Sequence[QueuedTask], *, settled: SettledTask, aside: frozenset[str]
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
        commit="",
        reapplied=frozenset(),
    )


def _move(landing: Landing, settled: SettledTask) -> QueueStep:
    length, passed, failed = len(landing.batch), landing.passed, landing.failed
    if passed == length:
        return _land(replace(landing, searching=False))
    if failed is None and not landing.searching:
        return _probe(landing, length, settled=settled)
    if failed is not None and passed == 0 and not landing.tip_green:
        return _probe(landing, 0, settled=settled, known_red=frozenset())
    if failed is None or failed - passed > 1:
        size = choose_prefix([c.risk for c in landing.batch], passed=passed, failed=failed)
        return _probe(landing, size, settled=settled)
    if landing.confirmations < CONFIRMATIONS:
        return _probe(landing, failed, settled=settled, known_red=frozenset())
    return _accuse(replace(landing, searching=True))


def _probe(
    landing: Landing, length: int, *, settled: SettledTask, known_red: frozenset[str] | None = None
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
    return QueueStep(landing=replace(landing, asked=PendingStep.LAND), command=command)


def _accuse(landing: Landing) -> QueueStep:
    culprit = landing.batch[landing.passed]
    company = landing.batch[: landing.passed]
    behind = f" with {', '.join(c.task for c in company)}" if company else ""
    verdict = "passes on its own base, but not" if culprit.is_checked else "does not pass"
    reason = f"{verdict} on the target at {shorten_id(landing.tip)}{behind}: {landing.red_reason}"
    rest = _land(landing) if company else QueueStep(landing=_with_batch(landing, ()))
    return replace(rest, culprits={culprit.task: reason})


def _candidates(batch: Sequence[QueuedTask], settled: SettledTask) -> tuple[MergeCandidate, ...]:
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


def record_check(landing: Landing, event: BatchChecked) -> Landing:
    """Fold the answer to a check into what is known of the batch."""
    length = len(event.tasks)
    landing = replace(landing, asked=PendingStep.NOTHING)
    if event.passed:
        return _record_green(landing, event, length)
    if length == 0:
        return _record_red_tip(landing, event)
    repeated = landing.failed == length
    return replace(
        landing,
        failed=length,
        confirmations=landing.confirmations + 1 if repeated else 0,
        red_reason=event.reason,
        red=landing.red | {event.tree},
    )


def _record_red_tip(landing: Landing, event: BatchChecked) -> Landing:
    if landing.red_tips < CONFIRMATIONS:
        return replace(landing, red_tips=landing.red_tips + 1)
    reason = f"the target itself does not pass the check: {event.reason}"
    return replace(_with_batch(landing, ()), stuck=reason)


def _record_green(landing: Landing, event: BatchChecked, length: int) -> Landing:
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
    """The task waits for the next tip; the rest of the batch is gathered anew."""
    landing = replace(_with_batch(landing, ()), asked=PendingStep.NOTHING)
    return replace(landing, aside=landing.aside | {event.task}) if event.behind else landing


def record_landed(landing: Landing, event: BatchLanded) -> Landing:
    """The tested commit is the new tip."""
    return replace(
        _with_batch(landing, ()),
        asked=PendingStep.NOTHING,
        tip=event.commit,
        tip_green=True,
        red_tips=0,
        aside=frozenset(),
        diverted=landing.diverted or event.reason or event.branch,
    )


def record_moved(landing: Landing, event: TargetMoved) -> Landing:
    """Somebody else moved the target: what was tested is void, merge and check again."""
    return replace(
        _with_batch(landing, ()),
        asked=PendingStep.NOTHING,
        tip=event.tip,
        tip_green=False,
        red_tips=0,
        aside=frozenset(),
    )


def choose_prefix(risks: Sequence[float], *, passed: int, failed: int | None) -> int:
    """The prefix to check next, between a green and a red one, by the optimal nested plan.

    With `failed` None nothing is known of what comes after `passed`.

    `expected[i]` is the number of checks that settle everything from i on; `bad(i, j)` the same
    when i..j is known to hold a culprit (Sobel and Groll's group testing; cubic in the length).
    """
    n = len(risks)
    fine = [1.0 - min(max(r, 0.001), 0.999) for r in risks]
    ok = [list(accumulate(fine[i:], mul, initial=1.0)) for i in range(n + 1)]
    expected = [0.0] * (n + 1)
    bad: list[dict[int, float]] = [{} for _ in range(n + 1)]

    def cost(i: int, x: int, j: int) -> float:
        p_green = (ok[i][x - i] - ok[i][j - i]) / (1.0 - ok[i][j - i])
        return 1.0 + p_green * bad[x][j] + (1.0 - p_green) * bad[i][x]

    def fresh(i: int, x: int) -> float:
        p_green = ok[i][x - i]
        return 1.0 + p_green * expected[x] + (1.0 - p_green) * bad[i][x]

    for i in range(n - 1, passed - 1, -1):
        bad[i][i + 1] = expected[i + 1]
        for j in range(i + 2, n + 1):
            bad[i][j] = min(cost(i, x, j) for x in range(i + 1, j))
        expected[i] = min(fresh(i, x) for x in range(i + 1, n + 1))
    if failed is None:
        return min(range(passed + 1, n + 1), key=lambda x: fresh(passed, x))
    return min(range(passed + 1, failed), key=lambda x: cost(passed, x, failed))
