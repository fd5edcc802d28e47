"""Computes order, cycles, components and longest paths of directed graphs of tasks.

A graph maps each task to the set of tasks that come before it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

Graph = Mapping[str, frozenset[str]]


def build(nodes: Iterable[str], edges: Iterable[tuple[str, str]]) -> dict[str, frozenset[str]]:
    """Return the graph of the nodes; an edge is (task, the task that it comes after)."""
    before: dict[str, set[str]] = {node: set() for node in nodes}
    for task, on in edges:
        before[task].add(on)
    return {node: frozenset(found) for node, found in before.items()}


def find_cycle(graph: Graph) -> tuple[str, ...]:
    """Return one cycle, or () if there is none.

    A task of the cycle follows the task that it waits for; the first is repeated at the end.
    """
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return tuple(error.args[1])
    return ()


def sort(graph: Graph, *, rank: Mapping[str, int]) -> tuple[str, ...]:
    """Return a topological order; of the tasks that are free the lowest rank comes first.

    Predecessors that are not nodes of the graph are ignored.
    """
    sorter = TopologicalSorter({node: graph[node] & graph.keys() for node in graph})
    sorter.prepare()
    free: list[tuple[int, str]] = []
    ordered: list[str] = []
    while sorter.is_active():
        for node in sorter.get_ready():
            heapq.heappush(free, (rank.get(node, 0), node))
        node = heapq.heappop(free)[1]
        ordered.append(node)
        sorter.done(node)
    return tuple(ordered)


def invert(graph: Graph) -> dict[str, frozenset[str]]:
    """Return the graph with every edge reversed."""
    return build(graph, ((on, task) for task, before in graph.items() for on in before))


def find_before(graph: Graph, nodes: Iterable[str]) -> set[str]:
    """Return all that come before these nodes, at any distance."""
    found, waiting = set[str](), [*nodes]
    while waiting:
        new = graph[waiting.pop()] - found
        found |= new
        waiting.extend(new)
    return found


def longest_paths(graph: Graph, *, weight: Mapping[str, float]) -> dict[str, float]:
    """Return the weight of the heaviest path that starts with each task."""
    following = invert(graph)
    length: dict[str, float] = {}
    for node in reversed(tuple(TopologicalSorter(graph).static_order())):
        length[node] = weight[node] + max((length[f] for f in following[node]), default=0.0)
    return length


def components(
    nodes: Iterable[str], links: Iterable[tuple[str, str]]
) -> tuple[tuple[str, ...], ...]:
    """Return the connected components of an undirected graph.

    Members and components are in the order of the nodes.
    """
    home = {node: node for node in nodes}

    def find(node: str) -> str:
        while home[node] != node:
            home[node] = home[home[node]]
            node = home[node]
        return node

    for a, b in links:
        home[find(a)] = find(b)
    groups: dict[str, list[str]] = {}
    for node in home:
        groups.setdefault(find(node), []).append(node)
    return tuple(tuple(group) for group in groups.values())
