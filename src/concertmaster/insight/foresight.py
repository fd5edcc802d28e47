"""Foresees the files that prompts will touch: joins all signals, weighed by the history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from concertmaster.git.repository import Repository
from concertmaster.insight import footprint
from concertmaster.insight.calibration import Calibration, chance
from concertmaster.insight.changelogs import is_changelog
from concertmaster.insight.conventions import follow_conventions
from concertmaster.insight.facts_cache import FactsCache, NoCache
from concertmaster.insight.message_words import read_words
from concertmaster.insight.ranking import best_of, gather
from concertmaster.insight.regions import find_definitions, find_names, find_region
from concertmaster.insight.replay import (
    LEAST,
    LEAST_COMMITS,
    MOST_ENTRIES,
    calibrate,
    measure,
    view_tree,
)
from concertmaster.insight.repository_reader import RepositoryReader
from concertmaster.insight.signals import SIGNALS, Row, Signals, read_query
from concertmaster.insight.tree_paths import TreePaths
from concertmaster.model import FootprintEntry, Prompt

LEAST_KNOWN = 0.25  # a footprint whose likeliest file is below this is of no use
LEAST_FILES = 200  # fewer are studied faster than a cache is read
# What each signal says in words, by its name.
REASONS = {
    "path": "its path has words of the prompt",
    "definitions": "it defines what the prompt speaks of",
    "text": "its text has words of the prompt",
    "messages": "commits with such messages changed it",
    "rank": "its words fit the prompt best",
    "named": "the prompt names it",
    "symbol": "it defines a name of the prompt",
    "package": "it lies in what the prompt names",
    "common": "the prompt speaks of it",
    "habit": "many commits change it",
    "recent": "it changed recently",
    "cochange": "it changes together with other likely files",
    "tests": "it tests a likely file, or is tested by one",
    "imports": "it imports a likely file, or is imported by one",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The footprint of a prompt with notes; `unknown` if it is of no use for planning."""

    entries: tuple[FootprintEntry, ...]
    notes: tuple[str, ...]
    unknown: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Foresight:
    """The forecasts of some prompts in their order, and how they were calibrated."""

    forecasts: tuple[Forecast, ...]
    calibration: Calibration

    @property
    def notes(self) -> tuple[str, ...]:
        """How good such forecasts were in the past, if that is known."""
        known = self.calibration
        if not known.commits:
            return ("too few past commits to learn from: the predictions rest on other projects",)
        told = f"on {known.commits} past commits of this repository the first five guesses held"
        return (f"{told} {known.recall:.0%} of the files",)


def foresee(
    prompts: Sequence[Prompt], *, repository: Repository, base: str, cache: Path | None
) -> Foresight:
    """Return what the prompts will touch in the tree at `base`.

    `cache` is a folder outside of every checkout, None to keep nothing. It changes no forecast.
    Raises UsageError for a glob in `touches` that cannot be used.
    """
    reader = RepositoryReader(repository, NoCache())
    history = reader.history(base)
    tree = TreePaths(repository.paths(base))
    if cache and (len(history) > LEAST_COMMITS or len(tree.paths) > LEAST_FILES):
        reader.cache = FactsCache(cache, repository.git_dir)
    known = calibrate(reader, base, history)
    view = view_tree(reader, base, history)
    signals = Signals(view, gather(read_query(p.text, {}).words for p in prompts))
    ours = frozenset(prompt.path for prompt in prompts)
    forecasts = tuple(_forecast(prompt, signals, tree, known, ours=ours) for prompt in prompts)
    return Foresight(forecasts=forecasts, calibration=known)


def _forecast(
    prompt: Prompt,
    signals: Signals,
    tree: TreePaths,
    known: Calibration,
    *,
    ours: frozenset[str],
) -> Forecast:
    """Return the forecast of a prompt; `ours` are the files of all prompts.

    Prompts, and Markdown files in a folder of prompts, are foreseen only where a prompt names them.
    """
    named, notes = footprint.predict(prompt, tree=tree)
    said = {entry.path: entry.probability for entry in named}
    rows = measure(signals, prompt.text, said, known.weights)
    words = read_query(prompt.text, {}).words
    chances = {path: chance(known.weights, row) for path, row in rows.items()}
    rules = {path: r for path, r in known.conventions.items() if path in signals.view.facts}
    chances = follow_conventions(chances, rules, read_words(prompt.text), known=said)
    likely = [path for path in best_of(chances, MOST_ENTRIES) if chances[path] >= LEAST]
    entries = {
        path: FootprintEntry(
            path=path,
            probability=round(chances[path], 4),
            reason=_say_why(rows.get(path), known.weights),
            lines=find_region(prompt.text, signals.view.facts[path]),
            definitions=find_definitions(prompt.text, words, signals.view.facts[path]),
            names=_find_names(prompt.text, path, signals, max(chances[path], said.get(path, 0.0))),
        )
        for path in likely
        if not _is_prompt(path, ours)
    }
    for entry in named:
        entries[entry.path] = _joined(entry, entries.get(entry.path))
    entries.pop(prompt.path, None)  # the prompt's own file
    ordered = sorted(entries.values(), key=lambda entry: (-entry.probability, entry.path))
    telling = [entry.probability for entry in ordered if not is_changelog(entry.path)]
    unknown = max(telling, default=0.0) < LEAST_KNOWN
    return Forecast(entries=tuple(ordered[: footprint.MAX_ENTRIES]), notes=notes, unknown=unknown)


def _find_names(text: str, path: str, signals: Signals, chance: float) -> tuple[str, ...]:
    """Return the names that a prompt has in common with a file, () for an unlikely file."""
    return find_names(text, signals.view.facts[path]) if chance >= LEAST_KNOWN else ()


def _is_prompt(path: str, ours: frozenset[str]) -> bool:
    """Return whether the file is a listed prompt or a Markdown file in the folder of one."""
    folder = path.rpartition("/")[0]
    is_text = path.lower().endswith((".md", ".markdown"))
    return path in ours or (
        is_text and folder != "" and any(one.rpartition("/")[0] == folder for one in ours)
    )


def _joined(named: FootprintEntry, found: FootprintEntry | None) -> FootprintEntry:
    """Return the entry of a file that the prompt names and other signals may point at."""
    if found is None or named.probability <= footprint.SPARED:
        return named
    return replace(
        named,
        probability=max(named.probability, found.probability),
        lines=named.lines or found.lines,
        definitions=found.definitions,
        names=found.names,
    )


def _say_why(row: Row | None, weights: Sequence[float]) -> str:
    """Return the two signals that count most, in words; None means that only habit speaks."""
    if row is None:
        return REASONS["habit"]
    shares = {
        name: weight * value
        for name, weight, value in zip(SIGNALS, weights[1:], row, strict=True)
        if name in REASONS and weight * value > 0.0
    }
    return " and ".join(REASONS[name] for name in best_of(shares, 2)) or REASONS["habit"]
