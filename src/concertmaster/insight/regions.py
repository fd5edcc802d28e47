"""Finds the lines of a file that a prompt is about: those of the definitions that it names."""

from __future__ import annotations

from concertmaster.insight.file_facts import FileFacts
from concertmaster.insight.names import find_symbols

MOST_NAMED = 3  # definitions; a prompt that names more may change any of them


def find_region(text: str, facts: FileFacts) -> tuple[int, int] | None:
    """Return the first and last line of the definitions that the text names, None if unknown."""
    sure = {symbol.parts[-1] for symbol in find_symbols(text) if symbol.sure}
    named = [definition for definition in facts.definitions if definition.name in sure]
    if not named or len(named) > MOST_NAMED:
        return None
    return min(d.first for d in named), max(d.last for d in named)
