"""Replays past commits as prompts, each on the tree before it, and calibrates by the outcome."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

from concertmaster.insight.calibration import (
    PRIOR,
    Calibration,
    Convention,
    adjust,
    adjust_pairs,
    chance,
    resemblance,
)
from concertmaster.insight.change_distance import count_close
from concertmaster.insight.conventions import Example, follow_conventions, learn_conventions
from concertmaster.insight.footprint import name_paths
from concertmaster.insight.history import MOST_FILES, PastCommit
from concertmaster.insight.message_words import WordCounts, read_words
from concertmaster.insight.ranking import best_of, gather
from concertmaster.insight.repository_reader import RepositoryReader
from concertmaster.insight.signals import Row, Signals, read_query
from concertmaster.insight.tree_paths import TreePaths
from concertmaster.insight.tree_view import TreeView

VERSION = 7  # of the calibration; one of another version is made again
WINDOW = 24  # commits that are replayed on one tree
WINDOWS = 8
MOST_ENTRIES = 20  # of a footprint that follow from words and history
LEAST = 0.02  # an entry below this tells nothing
GROUP = 8  # commits of which all pairs are compared
MAX_FILES = 16_000  # of all trees that are replayed together
CLOSE = 240  # commits whose changed lines are compared
LEAST_COMMITS = 30  # fewer teach nothing
_Guess = dict[str, Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """A past commit: the signals of each file, the files that it changed, and its words."""

    rows: Mapping[str, Row]
    actual: frozenset[str]
    words: frozenset[str]
    group: int


def calibrate(reader: RepositoryReader, base: str, history: Sequence[PastCommit]) -> Calibration:
    """Return what the history before `base` teaches; the cache keeps it by commit."""
    key = f"calibration {VERSION} {base}"
    kept = reader.cache.read([key]).get(key, "")
    with suppress(ValueError, TypeError, KeyError):
        return _load(kept)
    learnt = _learn(_replay(reader, history), history)
    recent = [past.id for past in history[:CLOSE] if len(past.paths) <= MOST_FILES]
    found = replace(learnt, close=count_close(reader.changes(recent)))
    reader.cache.write({key: json.dumps(asdict(found))})
    return found


def _load(kept: str) -> Calibration:
    known = json.loads(kept)
    known["weights"] = tuple(known["weights"])
    known["pair"] = tuple(known["pair"])
    known["close"] = {path: (int(n), int(of)) for path, (n, of) in known["close"].items()}
    rules = known["conventions"].items()
    known["conventions"] = {path: _load_convention(rule) for path, rule in rules}
    if len(known["weights"]) != len(PRIOR) or len(known["pair"]) != 2:
        raise ValueError("this calibration is of another version")
    return Calibration(**known)


def _load_convention(kept: dict[str, Any]) -> Convention:
    changing, others = kept["counts"]["commits"]
    words = {word: (int(a), int(b)) for word, (a, b) in kept["counts"]["words"].items()}
    counts = WordCounts(commits=(int(changing), int(others)), words=words)
    weights = {name: float(kept[name]) for name in ("bias", "slope", "trust")}
    return Convention(**weights, counts=counts)


def view_tree(reader: RepositoryReader, commit: str, history: Sequence[PastCommit]) -> TreeView:
    """Return the tree of a commit with what is known of its files."""
    recent = dict.fromkeys(path for past in history for path in past.paths)
    return TreeView(reader.facts(reader.list_files(commit), first=recent), history)


def measure(
    signals: Signals, text: str, named: Mapping[str, float], weights: Sequence[float]
) -> _Guess:
    """Return the signals of the files that a prompt's text points at; `named` are its paths."""
    rows = signals.measure(read_query(text, named))
    signals.follow(rows, {path: chance(weights, row) for path, row in rows.items()}, named)
    return rows


def _replay(reader: RepositoryReader, history: Sequence[PastCommit]) -> list[Replayed]:
    """Return the signals of past commits, those of a window on the tree before its oldest."""
    found: list[Replayed] = []
    files = 0
    for number in range(WINDOWS):
        part = history[number * WINDOW : (number + 1) * WINDOW]
        before = history[(number + 1) * WINDOW :]
        if len(before) < LEAST_COMMITS or files >= MAX_FILES:
            break
        view = view_tree(reader, before[0].id, before)
        files += len(view.facts)
        found += _replay_window(view, part, first_group=number * WINDOW)
    return found


def _replay_window(
    view: TreeView, part: Sequence[PastCommit], *, first_group: int
) -> list[Replayed]:
    tree = TreePaths(view.facts)
    vocabulary = gather(read_query(past.message, {}).words for past in part)
    signals = Signals(view, vocabulary)
    found = []
    for number, past in enumerate(part):
        actual = frozenset(past.paths) & view.facts.keys()
        if actual and len(past.paths) <= MOST_FILES:
            rows = measure(signals, past.message, name_paths(past.message, tree), PRIOR)
            group = (first_group + number) // GROUP
            words = read_words(past.message)
            found.append(Replayed(rows=rows, actual=actual, words=words, group=group))
    return found


def _learn(replayed: Sequence[Replayed], history: Sequence[PastCommit]) -> Calibration:
    if len(replayed) < LEAST_COMMITS:
        return Calibration()
    known = [(row, path in past.actual) for past in replayed for path, row in past.rows.items()]
    weights = adjust([row for row, _ in known], [truth for _, truth in known])
    examples = [
        Example(
            chances={path: chance(weights, row) for path, row in past.rows.items()},
            actual=past.actual,
            words=past.words,
        )
        for past in replayed
    ]
    rules = learn_conventions(examples, history)
    chances = [
        follow_conventions(one.chances, rules, one.words, actual=one.actual) for one in examples
    ]
    likely = [
        {p: found[p] for p in best_of(found, MOST_ENTRIES) if found[p] >= LEAST}
        for found in chances
    ]
    pairs = [
        (resemblance(likely[a], likely[b]), bool(replayed[a].actual & replayed[b].actual))
        for a, b in combinations(range(len(replayed)), 2)
        if replayed[a].group == replayed[b].group
    ]
    held = [
        len({*best_of(found, 5)} & past.actual) / len(past.actual)
        for found, past in zip(chances, replayed, strict=True)
    ]
    return Calibration(
        weights=weights,
        pair=adjust_pairs([raw for raw, _ in pairs], [truth for _, truth in pairs]),
        commits=len(replayed),
        recall=round(sum(held) / len(held), 3),
        conventions=rules,
    )
