"""Renders Markdown, independently of the program, and finds what would act on GitHub."""

from __future__ import annotations

import re
import unicodedata

from markdown_it import MarkdownIt
from markdown_it.token import Token

# What GitHub looks for in the rendered text, outside code.
ACTIVE = re.compile(
    r"(?<!\w)@\w|\w@\w|#\d|\bgh-\d|\b[0-9a-f]{7,40}\b|://|www\.|\$|<|&#?\w+;|::|##\[|\[|\|",
    re.IGNORECASE,
)


PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def render(markdown: str) -> list[Token]:
    return PARSER.parse(markdown)


def faults(markdown: str) -> list[str]:
    """Return everything in the Markdown that would act on GitHub."""
    found = []
    for token in render(markdown):
        if token.type in ("html_block", "table_open", "code_block"):
            found.append(f"{token.type}: {token.content!r}")
        if token.type == "fence" and token.info != "text":
            found.append(f"language {token.info!r}")
        for child in token.children or ():
            if child.type in ("html_inline", "link_open", "image"):
                found.append(f"{child.type} in {token.content!r}")
            if child.type == "text" and ACTIVE.search(child.content):
                found.append(f"text {child.content!r} in {token.content!r}")
    found += [f"line {line!r}" for line in markdown.split("\n") if acts_in_a_log(line)]
    found += [f"character {c!a}" for c in markdown if c != "\n" and is_hidden(c)]
    return found


def acts_in_a_log(line: str) -> bool:
    return line.lstrip().startswith("::") or "##[" in line


def is_hidden(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co")


def stands_apart(markdown: str) -> bool:
    """Return whether text written below the Markdown is a paragraph outside all its blocks."""
    *_, opened, inline, closed = render(f"{markdown}\n\nOur own words.\n")
    return bool(
        opened.type == "paragraph_open"
        and opened.level == 0
        and inline.content == "Our own words."
        and closed.type == "paragraph_close"
    )
