"""Deals the tasks of a plan to the jobs of the matrix."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from concertmaster import graph
from concertmaster.errors import UsageError
from concertmaster.model import Exclusion, Need, Plan
from concertmaster.planning import explain, scheduler
from concertmaster.planning.restricted_plan import restrict
from concertmaster.settings.choices import LandingMode

Shares = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareDeal:
    """A way to deal a plan; `ends` are the seconds after which tasks end in their jobs."""

    plan: Plan
    ends: Mapping[str, float]

    @property
    def spans(self) -> tuple[float, ...]:
        """Seconds that each share takes."""
        return tuple(max(self.ends[task] for task in share) for share in self.plan.shares)

    def count_late(self, job_seconds: float) -> int:
        """Return the number of tasks that end after their job's time."""
        return sum(end > job_seconds for end in self.ends.values())


def limit_jobs(parallel: int | None, *, jobs: int, slots: int) -> tuple[int, int]:
    """Return the most jobs, and the slots of each, for at most `parallel` agents at a time.

    `jobs` and `slots` are what the workflow file allows; without `parallel` they are the answer.
    """
    if parallel is None:
        return jobs, slots
    fewer = min(jobs, math.ceil(parallel / slots))
    return fewer, min(slots, parallel // fewer)


def deal_shares(plan: Plan, *, jobs: int, job_seconds: float) -> Plan:
    """Return the plan with its components in at most `jobs` shares.

    A share shall take at most `job_seconds`. Components that are too large for one job are cut at
    their cheapest exclusions if more tasks end in time then. Notes say what was cut and which
    shares may not finish.
    """
    deals = _deals(plan, jobs=jobs, job_seconds=job_seconds)
    best = next(deals)
    while best.count_late(job_seconds) and (other := next(deals, None)):
        best = min(best, other, key=lambda one: one.count_late(job_seconds))
    slots = plan.slots * max(1, len(best.plan.shares))
    return replace(
        best.plan,
        notes=(*plan.notes, *_notes(plan, best, job_seconds)),
        makespan_seconds=max(best.spans, default=0.0),
        lower_bound_seconds=scheduler.bound(scheduler.Network.from_plan(best.plan), slots=slots),
    )


def _deals(plan: Plan, *, jobs: int, job_seconds: float) -> Iterator[ShareDeal]:
    """Yield the possible deals: those without cuts first, then those with few jobs."""
    for shares in _spread(plan, plan.shares, jobs=jobs):
        yield _sever(plan, shares)
    pieces = tuple(_pieces(plan, job_seconds))
    if pieces != plan.shares:
        for shares in _spread(plan, pieces, jobs=jobs):
            yield _sever(plan, shares)


def _spread(plan: Plan, pieces: Shares, *, jobs: int) -> Iterator[Shares]:
    """Yield the pieces in more and more shares.

    The first has as few shares as fill their slots, because agents mostly wait for their models.
    """
    most = max(1, min(jobs, len(pieces)))
    least = max(1, min(most, math.ceil(len(plan.tasks) / plan.slots)))
    for number in range(least, most + 1):
        yield _hand_out(plan, pieces, jobs=number)


def _hand_out(plan: Plan, pieces: Shares, *, jobs: int) -> Shares:
    """Return the shares: the longest piece goes first, each to the share with the least work."""
    seconds = {task.id: task.estimate_seconds for task in plan.tasks}
    hands: list[list[str]] = [[] for _ in range(jobs)]
    for piece in sorted(pieces, key=lambda one: -math.fsum(seconds[task] for task in one)):
        least = min(hands, key=lambda hand: math.fsum(seconds[task] for task in hand))
        least.extend(piece)
    return tuple(tuple(hand) for hand in hands if hand)


def _pieces(plan: Plan, job_seconds: float) -> Iterator[tuple[str, ...]]:
    """Yield the components, and those that are too long for a job in parts."""
    for component in plan.shares:
        inner = restrict(plan, component)
        fits = max(_ends(inner).values()) <= job_seconds
        yield from [component] if fits else _split(inner, component, job_seconds=job_seconds)


def _split(plan: Plan, component: Sequence[str], *, job_seconds: float) -> Shares:
    """Return the component in parts, without its cheapest links.

    From the strongest on, a link joins its two parts unless more tasks would be too late in the
    joint part than in the two.
    """

    @cache
    def late(tasks: frozenset[str]) -> int:
        return sum(end > job_seconds for end in _ends(restrict(plan, tasks)).values())

    hard = [(need.task, need.on) for need in plan.needs if need.hard]
    parts = {t: frozenset(part) for part in graph.components(component, hard) for t in part}
    for a, b in _links(plan):
        one, other = parts[a], parts[b]
        joint = one | other
        if one != other and late(joint) <= late(one) + late(other):
            parts.update(dict.fromkeys(joint, joint))
    found = dict.fromkeys(parts[task] for task in component)
    return tuple(tuple(task for task in component if task in part) for part in found)


def _links(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield the links that may be cut, the strongest first."""
    # An `after` may be cut because it never blocks. It is cut last because it also prevents
    # collisions: ordered tasks have no exclusion.
    yield from ((need.task, need.on) for need in plan.needs if not need.hard)
    yield from (one.tasks for one in sorted(plan.exclusions, key=lambda one: -one.probability))


def _sever(plan: Plan, shares: Shares) -> ShareDeal:
    """Return the deal of the plan without the links between tasks of different shares."""
    home = _homes(shares)
    severed = replace(
        plan,
        shares=shares,
        needs=(
            *(need for need in plan.needs if home[need.task] == home[need.on]),
            *_detours(plan, home),
        ),
        exclusions=tuple(e for e in plan.exclusions if home[e.tasks[0]] == home[e.tasks[1]]),
    )
    ends = [_ends(restrict(severed, share)) for share in shares]
    return ShareDeal(plan=severed, ends={task: end for one in ends for task, end in one.items()})


def _homes(shares: Shares) -> dict[str, int]:
    """Return the number of each task's share."""
    return {task: number for number, share in enumerate(shares) for task in share}


def _detours(plan: Plan, home: Mapping[str, int]) -> Iterator[Need]:
    """Yield the order of two tasks of one share that led through other shares only."""
    before = graph.build(home, ((need.task, need.on) for need in plan.needs))
    for task in home:
        seen = set(before[task])
        waiting = sorted(on for on in seen if home[on] != home[task])
        for through in waiting:
            for on in sorted(before[through] - seen):
                seen.add(on)
                if home[on] != home[task]:
                    waiting.append(on)
                else:
                    reason = f"by way of {through}, which runs in another job"
                    yield Need(task=task, on=on, hard=False, reason=reason)


def _notes(plan: Plan, dealt: ShareDeal, job_seconds: float) -> Iterator[str]:
    """Yield a note for each link that was cut and for each share that is too long."""
    home = _homes(dealt.plan.shares)
    spans = {
        task: span
        for component in plan.shares
        for span in [max(_ends(restrict(plan, component)).values())]
        for task in component
    }
    links: tuple[Need | Exclusion, ...] = (*plan.needs, *plan.exclusions)
    for link in links:
        a, b = (link.task, link.on) if isinstance(link, Need) else link.tasks
        if home[a] != home[b]:
            yield explain.describe_cut(link, seconds=spans[a], job_seconds=job_seconds)
    for number, span in enumerate(dealt.spans):
        if span > job_seconds:
            yield explain.describe_overtime(number, seconds=span, job_seconds=job_seconds)


def _ends(plan: Plan) -> dict[str, float]:
    """Return the seconds after which each task ends, by estimate."""
    return scheduler.predict_ends(scheduler.Network.from_plan(plan), slots=plan.slots)


def _work(plan: Plan) -> float:
    """Return the sum of the estimates in seconds."""
    return math.fsum(task.estimate_seconds for task in plan.tasks)


def take_share(plan: Plan, number: int, *, slots: int) -> Plan:
    """Return the plan of one share, which makes results and lands nothing.

    It has at most the slots of the plan. Its budget is the share's part of the whole by estimate,
    because no job sees what the others spend. Raises UsageError if there is no such share.
    """
    if not 0 <= number < len(plan.shares):
        raise UsageError(
            f"the plan has no share {number}",
            why=f"it has {len(plan.shares)} of them, counted from 0",
            next_step="give the work job `share: ${{ matrix.share }}` of the plan job's output",
        )
    share = plan.shares[number]
    mine = restrict(plan, share)
    budget = plan.settings.budget_usd
    part = None if budget is None else budget * _work(mine) / _work(plan)
    return replace(
        mine,
        slots=min(slots, plan.slots),
        settings=replace(plan.settings, landing=LandingMode.NONE, budget_usd=part),
        shares=(share,),
        skipped=(),
    )
