"""Scores predictions of files and of pairs; every function is pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

BINS = 10
LEAST_STATED = 0.05  # entries below this are no statement about a file


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """The predicted files of one prompt, likeliest first, and those that were really changed."""

    ranked: tuple[tuple[str, float], ...]  # path and stated probability
    actual: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two prompts of one group; `share` and `collision` are stated, the rest is what happened.

    `conflicts` is None where a merge of the two could not be tried.
    """

    share: float
    collision: float
    apart: bool
    shares: bool
    conflicts: bool | None = None
    is_joined: bool = False  # the conflict is resolved when they land


def hit_at_1(guesses: Sequence[Guess]) -> float:
    """Return the share of prompts whose first file was really changed."""
    return fmean(bool(g.ranked) and g.ranked[0][0] in g.actual for g in guesses)


def recall_at(count: int, guesses: Sequence[Guess]) -> float:
    """Return the mean share of the changed files that are among the first `count`."""
    return fmean(
        len({path for path, _ in g.ranked[:count]} & g.actual) / len(g.actual) for g in guesses
    )


def empty_share(guesses: Sequence[Guess]) -> float:
    """Return the share of prompts for which nothing was predicted."""
    return fmean(not g.ranked for g in guesses)


def ranking_quality(scores: Sequence[tuple[float, bool]]) -> float | None:
    """Return the area under the ROC curve; ties count half; None without both kinds."""
    ordered = sorted(scores)
    positives = sum(truth for _, truth in ordered)
    negatives = len(ordered) - positives
    if not positives or not negatives:
        return None
    total, at = 0.0, 0
    while at < len(ordered):
        end = at
        while end < len(ordered) and ordered[end][0] == ordered[at][0]:
            end += 1
        middle = (at + end + 1) / 2  # the mean rank of a tie, from 1
        total += middle * sum(truth for _, truth in ordered[at:end])
        at = end
    return (total - positives * (positives + 1) / 2) / (positives * negatives)


def kept_apart(scores: Sequence[tuple[float, bool]], *, parallel: float) -> float | None:
    """Return the share of true pairs above the threshold that leaves `parallel` of the others.

    None without both kinds.
    """
    others = sorted(score for score, truth in scores if not truth)
    true = [score for score, truth in scores if truth]
    if not others or not true:
        return None
    threshold = others[min(len(others) - 1, max(0, -int(-parallel * len(others)) - 1))]
    return fmean(score > threshold for score in true)


def curve(scores: Sequence[tuple[float, bool]]) -> list[tuple[float, float, float]]:
    """Return for some thresholds the share of true pairs above and of others not above."""
    rows = []
    for threshold in (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
        true = [score > threshold for score, truth in scores if truth]
        others = [score <= threshold for score, truth in scores if not truth]
        if true and others:
            rows.append((threshold, fmean(true), fmean(others)))
    return rows


def calibration_error(stated: Sequence[tuple[float, bool]]) -> float | None:
    """Return the expected calibration error over bins of equal mass; None without statements.

    Equal statements share their mean truth, whichever bins they fall into.
    """
    by_value: dict[float, list[bool]] = {}
    for value, truth in stated:
        by_value.setdefault(value, []).append(truth)
    ordered = [(value, fmean(by_value[value])) for value, _ in sorted(stated)]
    size = len(ordered)
    error = 0.0
    for number in range(BINS):
        part = ordered[number * size // BINS : (number + 1) * size // BINS]
        if part:
            gap = fmean(value for value, _ in part) - fmean(truth for _, truth in part)
            error += abs(gap) * len(part) / size
    return error if size else None


def stated_paths(guesses: Sequence[Guess]) -> list[tuple[float, bool]]:
    """Return the probability of each entry that says something, and whether it came true."""
    return [
        (probability, path in g.actual)
        for g in guesses
        for path, probability in g.ranked
        if probability >= LEAST_STATED
    ]
