"""Compares two versions of a file with their common base, line by line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

Lines = Sequence[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A part of the base, and what each side has in its place.

    `ours` or `theirs` equals `base` when that side did not change the part.
    """

    base: Lines
    ours: Lines
    theirs: Lines


@dataclass(frozen=True, slots=True)
class _Change:
    """The lines from `first` to `end` of the base became the given lines."""

    first: int
    end: int
    lines: Lines


def compare_sides(base: Lines, ours: Lines, theirs: Lines) -> Iterator[Region]:
    """Yield the regions of the file in order. Changes that touch each other share a region."""
    left, right = _find_changes(base, ours), _find_changes(base, theirs)
    at = 0
    while left or right:
        first, end = _next_range(left, right)
        mine, other = _take(left, end), _take(right, end)
        yield Region(base=base[at:first], ours=base[at:first], theirs=base[at:first])
        yield Region(
            base=base[first:end],
            ours=_apply(base, mine, first, end),
            theirs=_apply(base, other, first, end),
        )
        at = end
    yield Region(base=base[at:], ours=base[at:], theirs=base[at:])


def _find_changes(old: Lines, new: Lines) -> list[_Change]:
    """Return the changes in order; equal ends are cut off first, which is cheap."""
    head, shorter = 0, min(len(old), len(new))
    while head < shorter and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < shorter - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    inner_old, inner_new = old[head : len(old) - tail], new[head : len(new) - tail]
    matcher = SequenceMatcher(None, inner_old, inner_new, autojunk=False)
    return [
        _Change(head + first, head + end, inner_new[start:stop])
        for tag, first, end, start, stop in matcher.get_opcodes()
        if tag != "equal"
    ]


def _next_range(left: Sequence[_Change], right: Sequence[_Change]) -> tuple[int, int]:
    """Return the part of the base that the next changes replace, with all that touch it."""
    waiting = sorted([*left, *right], key=lambda change: (change.first, change.end))
    first, end = waiting[0].first, waiting[0].end
    for change in waiting[1:]:
        if change.first > end:
            break
        end = max(end, change.end)
    return first, end


def _take(changes: list[_Change], end: int) -> list[_Change]:
    """Remove the changes up to `end` from the list and return them."""
    taken = [change for change in changes if change.first <= end]
    del changes[: len(taken)]
    return taken


def _apply(base: Lines, changes: Sequence[_Change], first: int, end: int) -> Lines:
    """Return the lines from `first` to `end` of the base with the changes made."""
    found: list[bytes] = []
    at = first
    for change in changes:
        found += [*base[at : change.first], *change.lines]
        at = change.end
    return [*found, *base[at:end]]
