"""Measures each signal that a prompt gives about the files of a tree."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from concertmaster.insight.changelogs import is_changelog
from concertmaster.insight.names import (
    find_common,
    find_packages,
    find_symbols,
    resolve_common,
)
from concertmaster.insight.ranking import NO_MATCHES, Matches, WordField, best_of
from concertmaster.insight.tree_view import FIELDS, TreeView, is_test
from concertmaster.insight.words import count_words

MAX_TEXT = 40_000  # characters of a prompt whose words are compared
TITLE = 2.0  # how much more the first line counts than the others
FIRST_STAGE = 40  # files by words and names
HABITUAL = 12  # files by their rate of change alone
SEEDS = 5
_COMBINED = {"path": 6.0, "definitions": 3.0, "text": 0.5, "messages": 2.0}

# The signals of a file, in the order of the weights in `calibration`.
SIGNALS = (
    *("path", "path share", "definitions", "definitions share", "text", "text share"),
    *("messages", "messages share", "rank", "named", "symbol", "package", "common"),
    *("habit", "recent", "cochange", "tests", "imports", "prose", "test", "aside"),
)
_AT = {name: number for number, name in enumerate(SIGNALS)}
Row = list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A prompt as the signals read it; `named` is P(touched) by the paths that it names."""

    text: str
    words: Mapping[str, float]
    named: Mapping[str, float]


def read_query(text: str, named: Mapping[str, float]) -> Query:
    """Return the query for a prompt's text."""
    head, _, rest = text[:MAX_TEXT].lstrip("# \n").partition("\n")
    words: defaultdict[str, float] = defaultdict(float)
    for word, times in count_words(head).items():
        words[word] += TITLE * min(times, 2)
    for word, times in count_words(rest).items():
        words[word] += 1.0 + math.log(times)
    return Query(text=f"{head}\n{rest}", words=words, named=named)


class Signals:
    """Measures prompts against one tree; `vocabulary` are the words of all prompts."""

    def __init__(self, view: TreeView, vocabulary: frozenset[str]) -> None:
        self.view = view
        self._fields: dict[str, WordField] = view.fields(vocabulary)
        changes = view.statistics.changes
        self._habitual = best_of(changes, HABITUAL)

    def measure(self, query: Query) -> dict[str, Row]:
        """Return the signals of each file that any signal points at; the last ones are zero."""
        # The words that name a changelog would make it the best match, and the others poor ones.
        logs = frozenset(path for path in query.named if is_changelog(path))
        spent = {word for path in logs for word in count_words(path)}
        words = {word: times for word, times in query.words.items() if word not in spent}
        matches = {name: self._fields[name].match(words, without=logs) for name in FIELDS}
        combined = _combine(matches)
        ranked = best_of(combined, FIRST_STAGE)
        names = {
            "named": dict(query.named),
            "symbol": self._symbols(query.text),
            "package": self._packages(query.text),
            "common": self._common(query.text),
        }
        rows: dict[str, Row] = {}
        for path in dict.fromkeys([*ranked, *self._habitual, *_first(names.values())]):
            if path in self.view.facts:
                rows[path] = self._row(path, matches, names)
        for rank, path in enumerate(ranked, start=1):
            rows[path][_AT["rank"]] = 1.0 / rank
        return rows

    def _row(
        self,
        path: str,
        matches: Mapping[str, Matches],
        names: Mapping[str, Mapping[str, float]],
    ) -> Row:
        row = [0.0] * len(SIGNALS)
        for field in FIELDS:
            if match := matches[field].get(path):
                row[_AT[field]] = match.relative
                row[_AT[f"{field} share"]] = match.absolute
        for name, found in names.items():
            row[_AT[name]] = found.get(path, 0.0)
        statistics = self.view.statistics
        row[_AT["habit"]] = math.log(statistics.rate(path) + 0.003) - math.log(0.003)
        row[_AT["recent"]] = 1.0 / (1.0 + statistics.last_change.get(path, 1000) / 8.0)
        row[_AT["prose"]] = float(path.endswith((".md", ".rst", ".txt")))
        row[_AT["test"]] = float(is_test(path))
        named = names.get("named", {})
        # A prompt that names its files hardly means others. A changelog goes with any change.
        main = [chance for other, chance in named.items() if not is_changelog(other)]
        row[_AT["aside"]] = 0.0 if path in named else max(main, default=0.0)
        return row

    def follow(
        self, rows: dict[str, Row], chances: Mapping[str, float], named: Mapping[str, float]
    ) -> None:
        """Fill the signals that follow from the likeliest files, and add the files they lead to."""
        seeds = best_of(chances, SEEDS)
        statistics, view = self.view.statistics, self.view
        cochange = _spread(seeds, chances, {s: statistics.partners(s) for s in seeds})
        tests = _spread(seeds, chances, {s: _even(view.tests.get(s, ())) for s in seeds})
        imports = _spread(seeds, chances, {s: _even(view.neighbours.get(s, ())) for s in seeds})
        added = [p for p, chance in {**cochange, **tests}.items() if chance >= 0.05]
        for path in added:
            if path not in rows and path in view.facts:
                rows[path] = self._row(path, dict.fromkeys(FIELDS, NO_MATCHES), {"named": named})
        for path, row in rows.items():
            row[_AT["cochange"]] = cochange.get(path, 0.0)
            row[_AT["tests"]] = tests.get(path, 0.0)
            row[_AT["imports"]] = imports.get(path, 0.0)

    def _symbols(self, text: str) -> dict[str, float]:
        """Return how surely each file defines something that the text names."""
        found: dict[str, float] = {}
        for symbol in find_symbols(text):
            definers = self.view.definers.get(symbol.parts[-1], {})
            folders = {part.lower() for part in symbol.parts[:-1]}
            within = [p for p in definers if folders & _segments(p)] or [*definers]
            # A test that defines the name of a source file tests it.
            files = [p for p in within if not is_test(p)] or within
            strength = (1.0 if symbol.sure else 0.5) / max(len(files), 1)
            for path in files:
                found[path] = 1.0 - (1.0 - found.get(path, 0.0)) * (1.0 - 0.8 * strength)
            if not definers and len(symbol.parts) > 1:
                self._module(symbol.parts, found)
        return found

    def _module(self, parts: Sequence[str], found: dict[str, float]) -> None:
        """Add the files that a dotted name of a module means."""
        for size in (len(parts), len(parts) - 1):
            files = [
                path
                for path in self.view.by_stem.get(parts[size - 1].lower(), ())
                if size == 1 or parts[size - 2].lower() in _segments(path)
            ]
            if 0 < len(files) <= 4:
                for path in files:
                    found[path] = max(found.get(path, 0.0), 0.8 / len(files))
                return

    def _packages(self, text: str) -> dict[str, float]:
        found: dict[str, float] = {}
        for name in find_packages(text):
            for paths in (self.view.by_stem.get(name, ()), self.view.by_folder.get(name, ())):
                if 0 < len(paths) <= 200:
                    for path in paths:
                        found[path] = max(found.get(path, 0.0), 1.0 / math.sqrt(len(paths)))
        return found

    def _common(self, text: str) -> dict[str, float]:
        found: dict[str, float] = {}
        for word, _ in find_common(text):
            paths = resolve_common(word, self.view.by_name)
            for path in paths:
                found[path] = max(found.get(path, 0.0), 1.0 / len(paths))
        return found


def _combine(matches: Mapping[str, Matches]) -> dict[str, float]:
    combined: dict[str, float] = {}
    for field, weight in _COMBINED.items():
        possible = matches[field].possible
        for path, score in matches[field].scores.items():
            combined[path] = combined.get(path, 0.0) + weight * (score / possible)
    return combined


def _first(names: Iterable[Mapping[str, float]]) -> list[str]:
    return [path for found in names for path in best_of(found, FIRST_STAGE)]


def _segments(path: str) -> set[str]:
    return {part.partition(".")[0] for part in path.lower().split("/")}


def _even(paths: Sequence[str]) -> list[tuple[str, float]]:
    return [(path, 1.0 / math.sqrt(len(paths))) for path in paths]


def _spread(
    seeds: Sequence[str],
    chances: Mapping[str, float],
    links: Mapping[str, Sequence[tuple[str, float]]],
) -> dict[str, float]:
    """Return the chance that a seed which is touched brings each file with it."""
    free: defaultdict[str, float] = defaultdict(lambda: 1.0)
    for seed in seeds:
        for path, strength in links[seed]:
            free[path] *= 1.0 - chances[seed] * strength
    return {path: 1.0 - chance for path, chance in free.items()}
