"""Studies one file: its words, definitions and imports."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from concertmaster.insight.definitions import Definition, find_definitions, find_imports
from concertmaster.insight.words import count_words

VERSION = 2  # of what is learnt from a file; facts of another version are learnt again
MAX_BYTES = 256 * 1024  # of a file; a larger one is known by its path only
MAX_WORDS = 600  # of a file, the most frequent ones
_BINARY_PROBE = 8000


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """What is known of a file's content; empty for binary and large files."""

    words: Mapping[str, int] = field(default_factory=dict)
    definitions: tuple[Definition, ...] = ()
    imports: tuple[str, ...] = ()


NOTHING = FileFacts()


def study_file(data: bytes) -> FileFacts:
    """Return the facts of a file with this content."""
    if len(data) > MAX_BYTES or b"\0" in data[:_BINARY_PROBE]:
        return NOTHING
    text = data.decode("utf-8", "replace")
    words = count_words(text)
    kept = sorted(words.items(), key=lambda item: (-item[1], item[0]))[:MAX_WORDS]
    return FileFacts(
        words=dict(kept), definitions=find_definitions(text), imports=find_imports(text)
    )


def dump_facts(facts: FileFacts) -> str:
    """Return the facts as text for the cache."""
    definitions = [[d.name, d.first, d.last] for d in facts.definitions]
    return json.dumps([facts.words, definitions, facts.imports], separators=(",", ":"))


def load_facts(text: str) -> FileFacts:
    """Return the facts that `dump_facts` wrote. Raises ValueError for anything else."""
    try:
        words, definitions, imports = json.loads(text)
        if {*map(type, words.values())} - {int}:
            raise TypeError
        return FileFacts(
            words=words,
            definitions=tuple(Definition(str(n), int(a), int(b)) for n, a, b in definitions),
            imports=tuple(map(str, imports)),
        )
    except (TypeError, AttributeError) as error:
        raise ValueError("these are no facts of a file") from error
