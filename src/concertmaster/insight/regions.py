"""Finds the definitions of a file that a prompt is about, and their lines."""

from __future__ import annotations

from collections.abc import Mapping

from concertmaster.insight.file_facts import FileFacts
from concertmaster.insight.names import find_symbols
from concertmaster.insight.words import count_words

MOST_NAMED = 3  # definitions; a prompt that names more may change any of them
MOST_DEFINITIONS = 12  # of an entry
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
