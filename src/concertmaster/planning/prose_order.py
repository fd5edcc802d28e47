"""Infers the order of prompts from sentences that say which one comes after which."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from concertmaster.insight.mentions import MAX_CHARACTERS
from concertmaster.model import Prompt

MAX_QUOTE = 120


class ProseOrder(NamedTuple):
    """An order found in prose: the prompt at `path` comes after the one at `on`.

    `reason` quotes the sentence.
    """

    path: str
    on: str
    reason: str


_NAME = re.compile(r"[^\s`\"'()\[\]<>,;:]+")
# The end of a line before a blank line, an item, a heading or a table row.
_BREAK = re.compile(r"\n[ \t]*(?=\n|[-*+] |\d{1,3}[.)] |#|\|)")
_SENTENCE = re.compile(r"(?<=[.!?;])\s+")
_FENCED = re.compile(r"(`{3,}|~{3,})")
_AFTER = re.compile(
    r"\b(?:after|once|depend(?:s|ent|ing)? (?:up)?on|depends?:|dependenc(?:y|ies)\b|requires?"
    r"|prerequisites?|blocked by|blocked on|waits? for|builds? (?:up)?on|built on|follows)\b",
    re.IGNORECASE,
)
_BEFORE = re.compile(r"\bbefore\b", re.IGNORECASE)
_DENIED = re.compile(
    r"(?:\b(?:not|never|no|without|nor|isn't|doesn't|don't|cannot|independent|before)\b"
    r"|n't\b)[^.;,]{0,30}$",
    re.IGNORECASE,
)


def infer_order(prompts: Sequence[Prompt]) -> tuple[ProseOrder, ...]:
    """Return which prompt comes after which, once for each pair.

    A sentence or bullet must name the other prompt behind a word such as "after" or "depends on". A
    name alone is not enough.
    """
    names = _unambiguous([prompt.path for prompt in prompts])
    found: dict[tuple[str, str], ProseOrder] = {}
    for prompt in prompts:
        for sentence in _sentences(prompt.text[:MAX_CHARACTERS]):
            for on in _followed(sentence, names):
                if on != prompt.path and (prompt.path, on) not in found:
                    reason = f'{prompt.path} says: "{_quote(sentence)}"'
                    found[prompt.path, on] = ProseOrder(prompt.path, on, reason)
    return tuple(found.values())


def _quote(sentence: str) -> str:
    return "".join(filter(str.isprintable, " ".join(sentence.split())))[:MAX_QUOTE]


def _unambiguous(paths: Iterable[str]) -> dict[str, str]:
    """Map each tail of a path that only one listed prompt has to that path."""
    names: dict[str, str | None] = {}
    for path in dict.fromkeys(paths):
        segments = path.split("/")
        for start in range(len(segments)):
            tail = "/".join(segments[start:])
            names[tail] = path if tail not in names or tail == path else None
    return {tail: path for tail, path in names.items() if path}


def _sentences(text: str) -> Iterator[str]:
    """Yield the sentences of the text outside of fenced code."""
    fence = ""
    prose: list[str] = []
    for line in text.split("\n"):
        mark = _FENCED.match(line.strip())
        if mark and (not fence or mark[1].startswith(fence)):
            fence = "" if fence else mark[1]
        prose.append("" if fence or mark else line)
    for block in _BREAK.split("\n".join(prose)):
        yield from _SENTENCE.split(block)


def _followed(sentence: str, names: dict[str, str]) -> Iterator[str]:
    """Yield the prompts that the sentence names behind a word of order."""
    after = _AFTER.search(sentence)
    if not after or _DENIED.search(sentence[max(0, after.start() - 60) : after.start()]):
        return
    before = _BEFORE.search(sentence, after.end())
    for word in _NAME.finditer(sentence, after.end(), before.start() if before else len(sentence)):
        name = word[0].rstrip(".!?*_").lstrip("*_").removeprefix("./").removeprefix("/")
        if name in names:
            yield names[name]
