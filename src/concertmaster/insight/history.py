"""Learns from past commits: which files change, which change together, and what is customary."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from concertmaster.insight.words import count_words

MOST_FILES = 30  # a commit that changes more is a move or a mass edit
HALF_LIFE = 150  # commits after which a change counts half
DOUBT = 3.0  # changes of a file that count against each pair
MOST_PARTNERS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PastCommit:
    """A commit of the history: its message and the paths that it changed."""

    id: str
    message: str
    paths: tuple[str, ...]


class ChangeStatistics:
    """Counts over past commits, newest first. Commits that change many files do not count."""

    def __init__(self, commits: Sequence[PastCommit], *, tree: frozenset[str]) -> None:
        self.commits = tuple(c for c in commits if 0 < len(c.paths) <= MOST_FILES)
        ages = range(len(self.commits))
        self._weights: list[float] = [math.exp2(-age / HALF_LIFE) for age in ages]
        self._tree = tree

    @cached_property
    def total(self) -> float:
        """The weighted number of commits."""
        return sum(self._weights)

    @cached_property
    def changes(self) -> Mapping[str, float]:
        """The weighted number of commits that change a path of the tree."""
        found: defaultdict[str, float] = defaultdict(float)
        for weight, commit in zip(self._weights, self.commits, strict=True):
            for path in commit.paths:
                if path in self._tree:
                    found[path] += weight
        return found

    @cached_property
    def _together(self) -> Mapping[str, Mapping[str, float]]:
        found: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
        for weight, commit in zip(self._weights, self.commits, strict=True):
            paths = [path for path in commit.paths if path in self._tree]
            for path in paths:
                for other in paths:
                    if other != path:
                        found[path][other] += weight
        return found

    @cached_property
    def last_change(self) -> Mapping[str, int]:
        """How many commits ago a path last changed; 0 for the newest."""
        found: dict[str, int] = {}
        for age, commit in enumerate(self.commits):
            for path in commit.paths:
                found.setdefault(path, age)
        return found

    @cached_property
    def messages(self) -> Mapping[str, Mapping[str, float]]:
        """The words of the messages that changed each path, newer ones with more weight."""
        found: dict[str, defaultdict[str, float]] = {}
        for weight, commit in zip(self._weights, self.commits, strict=True):
            words = count_words(commit.message[:4000])
            for path in commit.paths:
                if path in self._tree:
                    known = found.setdefault(path, defaultdict(float))
                    for word in words:
                        known[word] += weight / math.sqrt(len(commit.paths))
        return found

    def rate(self, path: str) -> float:
        """Return the share of commits that change the path."""
        return self.changes.get(path, 0.0) / self.total if self.total else 0.0

    def partners(self, path: str) -> list[tuple[str, float]]:
        """Return the paths that change with `path`, each with P(it changes | `path` changes)."""
        base = self.changes.get(path, 0.0)
        known = [(p, n / (base + DOUBT)) for p, n in self._together.get(path, {}).items()]
        return sorted(known, key=lambda item: (-item[1], item[0]))[:MOST_PARTNERS]
