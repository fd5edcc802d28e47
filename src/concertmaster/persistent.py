"""Offers immutable maps, sets, stacks and heaps whose changed copies share structure.

A change costs the logarithm of the size at most. The only user of rpds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from rpds import HashTrieMap, HashTrieSet, List

PersistentMap = HashTrieMap
PersistentSet = HashTrieSet
PersistentStack = List

Item = TypeVar("Item", bound=tuple[Any, ...])


@dataclass(frozen=True, slots=True)
class Heap(Generic[Item]):
    """A leftist heap of at least one item; None stands for the empty heap."""

    first: Item
    left: Heap[Item] | None = None
    right: Heap[Item] | None = None
    length_of_right_spine: int = 1

    @property
    def rest(self) -> Heap[Item] | None:
        """Return the heap without its first item."""
        return merge_heaps(self.left, self.right)


def merge_heaps(one: Heap[Item] | None, other: Heap[Item] | None) -> Heap[Item] | None:
    """Return a heap with the items of both."""
    if one is None or other is None:
        return one or other
    if other.first < one.first:
        one, other = other, one
    left, right = one.left, merge_heaps(one.right, other)
    if _spine(left) < _spine(right):
        left, right = right, left
    return Heap(one.first, left, right, _spine(right) + 1)


def push_heap(heap: Heap[Item] | None, item: Item) -> Heap[Item]:
    """Return the heap with the item added."""
    found = merge_heaps(heap, Heap(item))
    assert found is not None
    return found


def _spine(heap: Heap[Item] | None) -> int:
    return heap.length_of_right_spine if heap else 0
