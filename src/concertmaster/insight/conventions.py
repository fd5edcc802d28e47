"""Learns how often the files that many commits change are really changed, each by itself."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from concertmaster.insight.calibration import fit

LEAST_CHANGES = 8  # past commits that change a file before it can be a convention
LEAST_SHARE = 0.2  # of the past commits; rules for rarer files cost more guesses than they mend
STRENGTH = 10.0  # how much the chance by all signals counts against the file's own commits
UNSEEN = 0.01  # the chance of a file that no signal points at
LEAST, MOST = 0.005, 0.995
Rule = tuple[float, float]  # bias and slope of the log-odds


def learn_conventions(
    chances: Sequence[Mapping[str, float]], actual: Sequence[frozenset[str]]
) -> dict[str, Rule]:
    """Return for each file that many past commits change how its chances are to be read.

    `chances` are those that all signals gave to each past commit, `actual` the files it changed. A
    file whose chances tell nothing about its changes has no rule.
    """
    changes = Counter(path for paths in actual for path in paths)
    least = max(LEAST_CHANGES, LEAST_SHARE * len(actual))
    found = {}
    for path in sorted(path for path, count in changes.items() if count >= least):
        rows = [(_log_odds(one.get(path, UNSEEN)),) for one in chances]
        truths = [path in paths for paths in actual]
        bias, slope = fit(rows, truths, prior=(0.0, 1.0), strength=STRENGTH)
        if slope > 0.0:
            found[path] = (bias, slope)
    return found


def follow_conventions(
    chances: Mapping[str, float], rules: Mapping[str, Rule], *, known: Collection[str] = ()
) -> dict[str, float]:
    """Return the chances with those of the files that have a rule; paths in `known` stay."""
    found = dict(chances)
    for path, (bias, slope) in rules.items():
        if path not in known:
            score = bias + slope * _log_odds(chances.get(path, UNSEEN))
            found[path] = 1.0 / (1.0 + math.exp(-score))
    return found


def _log_odds(chance: float) -> float:
    bounded = min(max(chance, LEAST), MOST)
    return math.log(bounded / (1.0 - bounded))
