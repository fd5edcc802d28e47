"""Learns how often the files that many commits change are really changed, each by itself."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from concertmaster.insight.calibration import Convention, fit
from concertmaster.insight.history import PastCommit
from concertmaster.insight.message_words import count_changes, list_words, weigh_words

LEAST_CHANGES = 8  # past commits that change a file before it can be a convention
LEAST_SHARE = 0.1  # of the past commits; rules for rarer files cost more guesses than they mend
STRENGTH = 10.0  # how much the chance by all signals counts against the file's own commits
UNSEEN = 0.01  # the chance of a file that no signal points at
LEAST, MOST = 0.005, 0.995


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A past commit: the chances that all signals gave, the files it changed, and its words."""

    chances: Mapping[str, float]
    actual: frozenset[str]
    words: frozenset[str] = frozenset()


def learn_conventions(
    examples: Sequence[Example], history: Sequence[PastCommit] = ()
) -> dict[str, Convention]:
    """Return for each file that many past commits change how its chances are to be read.

    The examples are commits of the history. A file about whose changes neither its chances nor
    the words of messages tell anything has no rule.
    """
    changes = Counter(path for one in examples for path in one.actual)
    least = max(LEAST_CHANGES, LEAST_SHARE * len(examples))
    commits = list_words(history)
    found = {}
    for path in sorted(path for path, count in changes.items() if count >= least):
        counts = count_changes(path, commits)
        truths = [path in one.actual for one in examples]
        rows = [
            (_log_odds(one.chances.get(path, UNSEEN)), weigh_words(counts, one.words, own=truth))
            for one, truth in zip(examples, truths, strict=True)
        ]
        bias, slope, trust = fit(rows, truths, prior=(0.0, 1.0, 0.0), strength=STRENGTH)
        if slope > 0.0 or trust > 0.0:
            slope, trust = max(slope, 0.0), max(trust, 0.0)
            found[path] = Convention(bias=bias, slope=slope, trust=trust, counts=counts)
    return found


def follow_conventions(
    chances: Mapping[str, float],
    rules: Mapping[str, Convention],
    words: Collection[str] = (),
    *,
    known: Collection[str] = (),
    actual: Collection[str] | None = None,
) -> dict[str, float]:
    """Return the chances with those of the files that have a rule; paths in `known` stay.

    `words` are those of the prompt. `actual` are the files of a commit that the rules were learnt
    from.
    """
    found = dict(chances)
    for path, rule in rules.items():
        if path not in known:
            own = None if actual is None else path in actual
            score = rule.bias + rule.slope * _log_odds(chances.get(path, UNSEEN))
            score += rule.trust * weigh_words(rule.counts, words, own=own)
            found[path] = 1.0 / (1.0 + math.exp(-score))
    return found


def _log_odds(chance: float) -> float:
    bounded = min(max(chance, LEAST), MOST)
    return math.log(bounded / (1.0 - bounded))
