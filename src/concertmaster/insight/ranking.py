"""Ranks files by the words that they share with a text (BM25)."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

SATURATION = 1.2
LENGTH_PENALTY = 0.5
MOST_WORDS = 80  # of a query, the rarest ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """How well a file fits a text: against the best file, and against all that could fit."""

    relative: float
    absolute: float


class WordField:
    """One field of all files: the words of their paths, of their definitions, or of their text."""

    def __init__(self, documents: Mapping[str, Mapping[str, float]], vocabulary: frozenset[str]):
        """Index the words of `vocabulary` only, which are those of all queries."""
        self._lengths = {path: sum(words.values()) for path, words in documents.items()}
        filled = [length for length in self._lengths.values() if length]
        self._mean = sum(filled) / len(filled) if filled else 1.0
        self._count = max(len(filled), 1)
        self._postings: dict[str, list[tuple[str, float]]] = {}
        for path, words in documents.items():
            for word in vocabulary & words.keys() if words else ():
                self._postings.setdefault(word, []).append((path, words[word]))

    def rarity(self, word: str) -> float:
        """Return the inverse document frequency of a word, as BM25 defines it."""
        files = len(self._postings.get(word, ()))
        return math.log(1.0 + (self._count - files + 0.5) / (files + 0.5))

    def match(
        self, query: Mapping[str, float], *, without: Collection[str] = ()
    ) -> dict[str, Match]:
        """Return how well each file fits that shares a word with the query."""
        scores: dict[str, float] = {}
        weighed = sorted(query, key=lambda word: (-self.rarity(word) * query[word], word))
        known = [word for word in weighed if word in self._postings][:MOST_WORDS]
        possible = sum(self.rarity(word) * query[word] for word in weighed[:MOST_WORDS])
        for word in known:
            weight = self.rarity(word) * query[word]
            for path, times in self._postings[word]:
                if path in without:
                    continue
                length = self._lengths[path] / self._mean
                norm = SATURATION * (1.0 - LENGTH_PENALTY + LENGTH_PENALTY * length)
                gain = weight * times * (SATURATION + 1.0) / (times + norm)
                scores[path] = scores.get(path, 0.0) + gain
        best = max(scores.values(), default=1.0)
        return {
            path: Match(relative=score / best, absolute=score / possible)
            for path, score in scores.items()
        }


def best_of(scores: Mapping[str, float], count: int) -> list[str]:
    """Return the paths with the highest scores, best first."""
    return sorted(scores, key=lambda path: (-scores[path], path))[:count]


def gather(queries: Iterable[Mapping[str, float]]) -> frozenset[str]:
    """Return all words of the queries."""
    return frozenset(word for query in queries for word in query)
