"""Tests graphs of tasks as plain mappings."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster import graph

NODES = "abcdef"
edges = st.lists(st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)), max_size=12)
forward_edges = edges.map(lambda found: [(max(e), min(e)) for e in found if e[0] != e[1]])


@pytest.mark.parametrize(
    ("nodes", "before"),
    [("a", ""), ("b", "a"), ("c", "ab"), ("d", ""), ("cd", "ab"), ("", ""), ("f", "ef")],
)
def test_all_that_come_before_are_found_at_any_distance(nodes: str, before: str) -> None:
    made = graph.build(NODES, [("b", "a"), ("c", "b"), ("c", "a"), ("e", "f"), ("f", "e")])

    assert graph.find_before(made, nodes) == set(before)


@pytest.mark.parametrize(
    ("found", "cycle"),
    [
        ([], ()),
        ([("b", "a"), ("c", "b"), ("c", "a")], ()),
        ([("a", "a")], ("a", "a")),
    ],
)
def test_a_cycle_is_found_where_there_is_one(
    found: list[tuple[str, str]], cycle: tuple[str, ...]
) -> None:
    assert graph.find_cycle(graph.build("abc", found)) == cycle


@given(edges)
def test_each_task_of_a_cycle_comes_after_the_one_it_waits_for(
    found: list[tuple[str, str]],
) -> None:
    before = graph.build(NODES, found)
    cycle = graph.find_cycle(before)

    assert all(on in before[task] for on, task in pairwise(cycle))
    assert not cycle or cycle[0] == cycle[-1]


@given(forward_edges, st.permutations(NODES))
def test_sorting_keeps_the_order_and_takes_the_lowest_rank_that_is_free(
    found: list[tuple[str, str]], ranked: list[str]
) -> None:
    before = graph.build(NODES, found)
    rank = {node: i for i, node in enumerate(ranked)}
    ordered = graph.sort(before, rank=rank)

    assert sorted(ordered) == list(NODES)
    done: set[str] = set()
    for node in ordered:
        free = [n for n in NODES if n not in done and before[n] <= done]
        assert node == min(free, key=lambda n: rank[n])
        done.add(node)


def test_sorting_ignores_what_is_not_in_the_graph() -> None:
    before = {"b": frozenset("az"), "a": frozenset("z")}

    assert graph.sort(before, rank={}) == ("a", "b")


@given(forward_edges)
def test_the_heaviest_path_starts_with_the_task_itself(found: list[tuple[str, str]]) -> None:
    before = graph.build(NODES, found)
    weight = {node: float(i + 1) for i, node in enumerate(NODES)}
    length = graph.longest_paths(before, weight=weight)

    following = graph.invert(before)
    for node in NODES:
        behind = max((length[after] for after in following[node]), default=0.0)
        assert length[node] == weight[node] + behind


@given(edges)
def test_components_hold_what_is_linked_and_nothing_else(found: list[tuple[str, str]]) -> None:
    groups = graph.components(NODES, found)
    home = {node: group for group in groups for node in group}

    assert sorted("".join("".join(group) for group in groups)) == list(NODES)
    assert all(home[a] == home[b] for a, b in found)
    for group in groups:
        reached = {group[0]}
        for _ in group:
            reached |= {x for a, b in found if {a, b} & reached for x in (a, b)}
        assert reached == set(group)


def test_components_come_in_the_order_of_the_nodes() -> None:
    assert graph.components("abcd", [("d", "a")]) == (("a", "d"), ("b",), ("c",))
