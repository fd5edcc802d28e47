"""Fits the weights of the signals to what past commits really changed (logistic regression)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from concertmaster.insight import priors
from concertmaster.insight.message_words import NO_COUNTS, WordCounts
from concertmaster.insight.signals import SIGNALS

ROUNDS = 8
STEEPEST = 30.0
STRENGTH = 150.0  # how much the prior counts against the repository's own commits
PAIR_STRENGTH = 10.0
PRIOR = (priors.WEIGHTS["bias"], *(priors.WEIGHTS[name] for name in SIGNALS))
# The signals whose weights differ most between repositories. All others move together.
_OWN = tuple(SIGNALS.index(n) for n in ("text", "messages", "habit", "cochange", "tests", "test"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Convention:
    """How the chance of a file that many commits change is read, in log-odds.

    It is `bias`, `slope` times the chance by all signals, and `trust` times what the words of the
    prompt say by `counts`.
    """

    bias: float
    slope: float
    trust: float = 0.0
    counts: WordCounts = NO_COUNTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What a repository's own commits taught.

    `weights` are those of the signals, `pair` are bias and slope of P(two tasks share a file).
    `close` tells for a path how many pairs of near commits changed it side by side, and of how
    many. `conventions` are those of the files that many commits change.
    `commits` were replayed, and the first five guesses held `recall` of their files.
    """

    weights: tuple[float, ...] = PRIOR
    pair: tuple[float, float] = (0.0, 1.0)
    commits: int = 0
    recall: float = 0.0
    close: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    conventions: Mapping[str, Convention] = field(default_factory=dict)


def chance(weights: Sequence[float], row: Sequence[float]) -> float:
    """Return the probability of a row; the first weight stands alone."""
    score = weights[0] + sum(w * x for w, x in zip(weights[1:], row, strict=True) if x)
    return _logistic(score)


def _logistic(score: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(-STEEPEST, min(STEEPEST, score))))


def adjust(rows: Sequence[Sequence[float]], truths: Sequence[bool]) -> tuple[float, ...]:
    """Return the prior's weights, adjusted to these examples of one repository."""
    scores = [PRIOR[0] + sum(w * x for w, x in zip(PRIOR[1:], r, strict=True) if x) for r in rows]
    narrow = [(s, *(row[at] for at in _OWN)) for s, row in zip(scores, rows, strict=True)]
    start = (0.0, 1.0, *(0.0 for _ in _OWN))
    found = fit(narrow, truths, prior=start, strength=STRENGTH)
    weights = [found[1] * weight for weight in PRIOR]
    weights[0] += found[0]
    for at, extra in zip(_OWN, found[2:], strict=True):
        weights[at + 1] += extra
    return tuple(round(weight, 6) for weight in weights)


def adjust_pairs(scores: Sequence[float], truths: Sequence[bool]) -> tuple[float, float]:
    """Return bias and slope of P(share) for pairs with these scores of `resemblance`."""
    rows = [(score,) for score in scores]
    bias, slope = fit(rows, truths, prior=(0.0, 1.0), strength=PAIR_STRENGTH)
    return bias, max(slope, 0.1)


def resemblance(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Return the log-odds that two footprints share a file, by the angle between them.

    Probabilities of files are not independent: what two prompts have in common makes all of them
    likelier. Vague footprints resemble each other without a reason, so size counts against it.
    """
    common = sum(p * other.get(path, 0.0) for path, p in one.items())
    lengths = [math.sqrt(sum(p * p for p in each.values())) for each in (one, other)]
    cosine = common / (lengths[0] * lengths[1]) if common else 0.0
    size = sum(math.log(sum(each.values()) + 0.1) for each in (one, other))
    return priors.PAIR_BIAS + priors.PAIR_COSINE * cosine + priors.PAIR_SIZE * size


def share_chance(score: float, pair: tuple[float, float]) -> float:
    """Return P(share) for a score of `resemblance`."""
    return _logistic(pair[0] + pair[1] * score)


def fit(
    rows: Sequence[Sequence[float]],
    truths: Sequence[bool],
    *,
    prior: Sequence[float],
    strength: float,
) -> list[float]:
    """Return the weights that explain the truths, drawn towards `prior` with this strength.

    Newton's method with a fixed number of rounds, so equal data give equal weights.
    """
    weights = list(prior)
    wide = [(1.0, *row) for row in rows]
    for _ in range(ROUNDS):
        gradient = [strength * (p - w) for p, w in zip(prior, weights, strict=True)]
        curvature = [[0.0] * len(weights) for _ in weights]
        for number in range(len(weights)):
            curvature[number][number] = strength
        for row, truth in zip(wide, truths, strict=True):
            _add(row, truth, chance(weights, row[1:]), gradient, curvature)
        step = _solve(curvature, gradient)
        longest = max(map(abs, step), default=0.0)
        scale = min(1.0, 2.0 / longest) if longest else 0.0
        weights = [w + scale * s for w, s in zip(weights, step, strict=True)]
        if longest < 1e-4:
            break
    return [round(w, 6) for w in weights]


def _add(
    row: Sequence[float],
    truth: bool,
    probability: float,
    gradient: list[float],
    curvature: list[list[float]],
) -> None:
    """Add what one row says to the gradient and to the curvature of the likelihood."""
    error = truth - probability
    spread = max(probability * (1.0 - probability), 1e-6)
    known = [(number, x) for number, x in enumerate(row) if x]
    for i, x in known:
        gradient[i] += error * x
        line, scaled = curvature[i], spread * x
        for j, y in known:
            line[j] += scaled * y


def _solve(matrix: list[list[float]], right: Sequence[float]) -> list[float]:
    """Return the solution of a symmetric positive definite system (Gauss)."""
    size = len(right)
    table = [[*line, right[number]] for number, line in enumerate(matrix)]
    for at in range(size):
        pivot = table[at][at]
        for below in range(at + 1, size):
            factor = table[below][at] / pivot
            if factor:
                line, source = table[below], table[at]
                for column in range(at, size + 1):
                    line[column] -= factor * source[column]
    found = [0.0] * size
    for at in range(size - 1, -1, -1):
        rest = sum(table[at][k] * found[k] for k in range(at + 1, size))
        found[at] = (table[at][size] - rest) / table[at][at]
    return found
