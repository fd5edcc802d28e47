"""Finds the definitions and the names of a file that a prompt is about."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from concertmaster.insight.file_facts import FileFacts
from concertmaster.insight.names import find_symbols
from concertmaster.insight.words import count_words, read_name

MOST_NAMED = 3  # definitions; a prompt that names more may change any of them
MOST_DEFINITIONS = 12  # of an entry
MOST_NAMES = 40  # of an entry
NAMED = 10.0  # how much more a definition counts that the prompt names


def find_region(text: str, facts: FileFacts) -> tuple[int, int] | None:
    """Return the first and last line of the definitions that the text names, None if unknown."""
    sure = {symbol.parts[-1] for symbol in find_symbols(text) if symbol.sure}
    named = [definition for definition in facts.definitions if definition.name in sure]
    if not named or len(named) > MOST_NAMED:
        return None
    return min(d.first for d in named), max(d.last for d in named)


def find_definitions(
    text: str, words: Mapping[str, float], facts: FileFacts
) -> tuple[tuple[str, float], ...]:
    """Return the definitions that a prompt points at, each with its share, the largest first.

    `words` are those of the prompt with their weights.
    """
    named = {symbol.parts[-1] for symbol in find_symbols(text)}
    weights: dict[str, float] = {}
    for name in dict.fromkeys(definition.name for definition in facts.definitions):
        parts = count_words(name)
        common = sum(words.get(part, 0.0) for part in parts) / max(len(parts), 1)
        weight = common + NAMED * (name in named)
        if weight:
            weights[name] = weight
    kept = sorted(weights, key=lambda name: (-weights[name], name))[:MOST_DEFINITIONS]
    total = sum(weights[name] for name in kept)
    return tuple((name, round(weights[name] / total, 3)) for name in kept)


def find_names(text: str, facts: FileFacts) -> tuple[str, ...]:
    """Return the names of code in a text that the file also has, at most MOST_NAMES.

    A name is in the file if it is defined there or if its stem is a word of the file.
    """
    defined = {definition.name for definition in facts.definitions}
    parts = (part for symbol in find_symbols(text) if symbol.sure for part in symbol.parts)
    known = (
        name
        for name in dict.fromkeys(parts)
        if name in defined or ((words := read_name(name)) and words[-1] in facts.words)
    )
    return tuple(islice(known, MOST_NAMES))
