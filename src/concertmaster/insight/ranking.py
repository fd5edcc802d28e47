"""Ranks files by the words that they share with a text (BM25)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

SATURATION = 1.2
LENGTH_PENALTY = 0.5
MOST_WORDS = 80  # of a query, the rarest ones
MOST_POSTINGS = 10_000  # files that are weighed for them; past these, words that many files have


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """How well a file fits a text: against the best file, and against all that could fit."""

    relative: float
    absolute: float


class Matches:
    """How well each file fits one text, for files that share a word with it."""

    def __init__(self, scores: Mapping[str, float], possible: float) -> None:
        """Hold the scores of the files; `possible` is that of a file which has all the words."""
        self.scores = scores
        self.possible = possible
        self._best = max(scores.values(), default=1.0)

    def get(self, path: str) -> Match | None:
        """Return how well a file fits, None if it shares no word."""
        score = self.scores.get(path)
        if score is None:
            return None
        return Match(relative=score / self._best, absolute=score / self.possible)


NO_MATCHES = Matches({}, 1.0)


class WordField:
    """One field of all files: the words of their paths, of their definitions, or of their text."""

    def __init__(self, documents: Mapping[str, Mapping[str, float]], vocabulary: frozenset[str]):
        """Index the words of `vocabulary` only, which are those of all queries."""
        lengths = {path: sum(words.values()) for path, words in documents.items() if words}
        filled = [length for length in lengths.values() if length]
        mean = sum(filled) / len(filled) if filled else 1.0
        self._count = max(len(filled), 1)
        # By word, the files that have it, and how much it counts for each. Two lists are made
        # faster than one of pairs.
        found: defaultdict[str, tuple[list[str], list[float]]] = defaultdict(lambda: ([], []))
        for path, words in documents.items():
            common = vocabulary.intersection(words)  # with "&" it would visit the whole vocabulary
            if common:
                share = LENGTH_PENALTY * lengths[path] / mean
                norm = SATURATION * (1.0 - LENGTH_PENALTY + share)
                for word in common:
                    times = words[word]
                    files, gains = found[word]
                    files.append(path)
                    gains.append(times * (SATURATION + 1.0) / (times + norm))
        self._postings = dict(found)

    def rarity(self, word: str) -> float:
        """Return the inverse document frequency of a word, as BM25 defines it."""
        posting = self._postings.get(word)
        files = len(posting[0]) if posting else 0
        return math.log(1.0 + (self._count - files + 0.5) / (files + 0.5))

    def match(self, query: Mapping[str, float], *, without: Collection[str] = ()) -> Matches:
        """Return how well each file fits that shares a word with the query."""
        weights = {word: self.rarity(word) * times for word, times in query.items()}
        weighed = best_of(weights, MOST_WORDS)
        scores: dict[str, float] = {}
        left = MOST_POSTINGS
        for word in best_of({w: x for w, x in weights.items() if w in self._postings}, MOST_WORDS):
            files, gains = self._postings[word]
            left -= len(files)
            if left < 0 and scores:
                break
            weight = weights[word]
            for path, gain in zip(files, gains, strict=True):
                scores[path] = scores.get(path, 0.0) + weight * gain
        for path in without:
            scores.pop(path, None)
        return Matches(scores, sum(weights[word] for word in weighed))


def best_of(scores: Mapping[str, float], count: int) -> list[str]:
    """Return the paths with the highest scores, best first."""
    chosen: Iterable[str] = scores
    if len(scores) > count:
        least = sorted(scores.values(), reverse=True)[count - 1]
        chosen = [path for path, score in scores.items() if score >= least]
    return sorted(chosen, key=lambda path: (-scores[path], path))[:count]


def gather(queries: Iterable[Mapping[str, float]]) -> frozenset[str]:
    """Return all words of the queries."""
    return frozenset(word for query in queries for word in query)
