"""Learns from past messages which words speak for a change of a file, and which against it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from concertmaster.insight.history import MOST_FILES, PastCommit
from concertmaster.insight.words import count_words

LONGEST_TITLE = 200  # characters
MOST_WORDS = 8  # that count fully; a longer title says no more than a short one
LEAST_COMMITS = 3  # with a word; fewer tell nothing
DOUBT = 2.0  # commits of either kind that count as seen before
EXPECTED = 0.1  # the share of them that has any one word
LOUDEST = 1.5  # the log-odds of one word


@dataclass(frozen=True, slots=True, kw_only=True)
class WordCounts:
    """How many past commits change a file and how many do not, in all and with each word."""

    commits: tuple[int, int] = (0, 0)
    words: Mapping[str, tuple[int, int]] = field(default_factory=dict)


NO_COUNTS = WordCounts()


def read_words(text: str) -> frozenset[str]:
    """Return the words of the title of a message or of a prompt.

    The rest of a prompt is written otherwise than that of a message.
    """
    title, _, _ = text.lstrip("#* \n").partition("\n")
    return frozenset(count_words(title[:LONGEST_TITLE]))


def list_words(history: Sequence[PastCommit]) -> list[tuple[frozenset[str], frozenset[str]]]:
    """Return the words and the paths of each commit that changes few files."""
    return [
        (read_words(past.message), frozenset(past.paths))
        for past in history
        if 0 < len(past.paths) <= MOST_FILES
    ]


def count_changes(
    path: str, commits: Sequence[tuple[Collection[str], Collection[str]]]
) -> WordCounts:
    """Return the counts of a path over commits, given by their words and paths."""
    changing: Counter[str] = Counter()
    every: Counter[str] = Counter()
    for words, paths in commits:
        every.update(words)
        if path in paths:
            changing.update(words)
    total = sum(path in paths for _, paths in commits)
    known = sorted(word for word, count in every.items() if count >= LEAST_COMMITS)
    return WordCounts(
        commits=(total, len(commits) - total),
        words={word: (changing[word], every[word] - changing[word]) for word in known},
    )


def weigh_words(counts: WordCounts, words: Collection[str], *, own: bool | None = None) -> float:
    """Return the log-odds by which the words speak for a change of the file.

    `own` tells whether the commit with these words changed the file, if the counts hold it: then
    it does not speak for itself. None means that they do not hold it.
    """
    less = (int(own is True), int(own is False))
    totals = [
        max(0, all_of - mine) + DOUBT for all_of, mine in zip(counts.commits, less, strict=True)
    ]
    found = []
    for word in words:
        changing, other = counts.words.get(word, (0, 0))
        changing, other = max(0, changing - less[0]), max(0, other - less[1])
        if changing + other >= LEAST_COMMITS:
            rates = [
                (count + DOUBT * EXPECTED) / total
                for count, total in zip((changing, other), totals, strict=True)
            ]
            found.append(max(-LOUDEST, min(LOUDEST, math.log(rates[0] / rates[1]))))
    return math.fsum(found) * min(1.0, MOST_WORDS / max(1, len(words)))
