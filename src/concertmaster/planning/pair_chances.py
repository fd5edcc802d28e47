"""Computes for the pairs of a plan's tasks how likely they collide."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations

from concertmaster import graph
from concertmaster.insight.calibration import Calibration
from concertmaster.model import Plan
from concertmaster.planning.collisions import Meeting, meet, recall_history

LEAST_SHOWN = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class PairChance:
    """A pair of tasks that no need puts in an order, and P(their changes collide).

    `paths` account for most of it. `apart` says that the plan does not run them at the same time.
    """

    tasks: tuple[str, str]
    probability: float
    paths: tuple[str, ...]
    apart: bool


def predict_collisions(plan: Plan) -> tuple[PairChance, ...]:
    """Return the pairs above LEAST_SHOWN, the likeliest collision first."""
    apart = {frozenset(exclusion.tasks) for exclusion in plan.exclusions}
    found = [
        PairChance(
            tasks=pair,
            probability=round(met.collision, 3),
            paths=met.paths,
            apart=frozenset(pair) in apart,
        )
        for pair, met in meet_pairs(plan, recall_history(plan.pair_history)).items()
        if met.collision > LEAST_SHOWN or frozenset(pair) in apart
    ]
    return tuple(sorted(found, key=lambda one: (-one.probability, one.tasks)))


def meet_pairs(plan: Plan, learnt: Calibration) -> dict[tuple[str, str], Meeting]:
    """Return the meetings of the pairs with a common path and without an order.

    The pairs are in the order of the tasks.
    """
    tasks = {task.id: task.footprint for task in plan.tasks}
    return {(a, b): meet(tasks[a], tasks[b], learnt) for a, b in _sharing_pairs(plan)}


def _sharing_pairs(plan: Plan) -> list[tuple[str, str]]:
    """Return the pairs with a common path and without an order, in the order of the tasks."""
    users: defaultdict[str, set[str]] = defaultdict(set)
    for task in plan.tasks:
        for entry in task.footprint:
            users[entry.path].add(task.id)
    rank = {task.id: number for number, task in enumerate(plan.tasks)}
    pairs = {
        pair for u in users.values() for pair in combinations(sorted(u, key=rank.__getitem__), 2)
    }
    return sorted(pairs - _ordered_pairs(plan), key=lambda pair: (rank[pair[0]], rank[pair[1]]))


def _ordered_pairs(plan: Plan) -> set[tuple[str, str]]:
    """Return all pairs with an order, direct or indirect, in both directions."""
    ids = {task.id: None for task in plan.tasks}
    before = graph.build(ids, ((n.task, n.on) for n in plan.needs if n.on in ids))
    reached: dict[str, frozenset[str]] = {}
    for task in graph.sort(before, rank={}):
        reached[task] = before[task].union(*(reached[on] for on in before[task]))
    pairs = {(task, on) for task, found in reached.items() for on in found}
    return pairs | {(on, task) for task, on in pairs}
