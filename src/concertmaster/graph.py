"""Directed graphs of tasks as plain mappings: order, cycles, reachability, longest paths.

A graph maps each task to the set of tasks that come before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

Graph = Mapping[str, frozenset[str]]


def build(nodes: Iterable[str], edges: Iterable[tuple[str, str]]) -> dict[str, frozenset[str]]:
    """Edges are (task, comes after)."""
    before: dict[str, set[str]] = {node: set() for node in nodes}
    for task, on in edges:
        before[task].add(on)
    return {node: frozenset(found) for node, found in before.items()}


def find_cycle(graph: Graph) -> tuple[str, ...]:
    """One cycle, each task after the one it waits for, first repeated last; () where none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return tuple(error.args[1])
    return ()


def sort(graph: Graph, *, rank: Mapping[str, int]) -> tuple[str, ...]:
    """Topological order; among what is free the lowest rank first."""
    sorter = TopologicalSorter({node: graph[node] & graph.keys() for node in graph})
    sorter.prepare()
    free: list[str] = []
    ordered: list[str] = []
    while sorter.is_active():
        free.extend(sorter.get_ready())
        free.sort(key=lambda node: (rank.get(node, 0), node), reverse=True)
        node = free.pop()
        ordered.append(node)
        sorter.done(node)
    return tuple(ordered)


def invert(graph: Graph) -> dict[str, frozenset[str]]:
    """From "comes before" to "comes after"."""
    return build(graph, ((on, task) for task, before in graph.items() for on in before))


def longest_paths(graph: Graph, *, weight: Mapping[str, float]) -> dict[str, float]:
    """Of each task the heaviest path that starts with it, in the units of `weight`."""
    following = invert(graph)
    length: dict[str, float] = {}
    for node in reversed(tuple(TopologicalSorter(graph).static_order())):
        length[node] = weight[node] + max((length[f] for f in following[node]), default=0.0)
    return length


def components(
    nodes: Iterable[str], links: Iterable[tuple[str, str]]
) -> tuple[tuple[str, ...], ...]:
    """Connected components of the undirected graph, members and components in node order."""
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
