"""Finds definitions and imports in source text by regular expressions, for any language.

This is a heuristic. It reads the first words of a line and takes the lines that are indented deeper
as the body, so it misses definitions that are made by macros or decorators.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_DEFINITIONS = 1000  # of one file
MAX_IMPORTS = 200
LONGEST_LINE = 400  # a longer one is generated or data


@dataclass(frozen=True, slots=True)
class Definition:
    """A definition with its first and last line, counted from 1."""

    name: str
    first: int
    last: int


_BEFORE = (
    r"(?:(?:export|default|public|private|protected|internal|static|async|abstract|final|unsafe"
    r"|inline|virtual|override|extern|declare|partial|sealed|open|suspend|readonly|local"
    r"|pub(?:\([^)]{0,40}\))?)\s+)*"
)
_KEYWORDS = (
    r"(?:def|class|function\*?|func|fn|fun|struct|enum|union|trait|interface|type|impl|module|mod"
    r"|object|record|namespace|protocol|extension|macro_rules!|sub|proc)"
)
_DEFINITION = re.compile(
    rf"(?P<indent>[ \t]*){_BEFORE}(?:"
    rf"{_KEYWORDS}(?:\s+\([^)]{{0,80}}\)\s*|\s*<[^>]{{0,80}}>\s*|\s+)(?:self\.)?"
    r"(?P<word>[A-Za-z_$][\w$]*)"
    r"|(?:const|let|var|val|static)\s+(?:mut\s+)?(?P<value>[A-Za-z_$][\w$]*)"
    r"|(?:[\w$]+\.){1,3}(?P<member>[A-Za-z_$][\w$]*)\s*=\s*(?:async\s+)?function"
    r"|(?P<constant>[A-Z_][A-Z0-9_]{2,})\s*(?::[^=]{1,80})?="
    r"|\#\s*define\s+(?P<macro>\w+)"
    r"|(?P<method>[A-Za-z_$][\w$]*)\s*\([^;{}=]{0,200}\)\s*(?::[^;{}]{0,80})?\{"
    r"|(?:[A-Za-z_][\w<>\[\],.:*&]*\s+){1,4}[*&]*(?P<typed>[A-Za-z_]\w*)\s*\([^;=]{0,300}$"
    r")"
)
_NO_NAMES = frozenset(
    "if for while switch catch return else elif with do try when match not new delete throw".split()
)
_CLOSING = ("}", ")", "]", "end", "{")
_IMPORT = re.compile(
    r"\s*(?:from\s+(?P<source>[\w.]+)\s+import\b"
    r"|import\s+(?:static\s+)?(?P<python>[\w.]+)\s*(?:$|[#;]|as\b|,\s*[\w.]+\s*(?:$|[#,]|as\b))"
    r"|#\s*include\s+[\"<](?P<include>[^\">]{1,200})[\">]"
    r"|(?:pub\s+)?use\s+(?P<use>[\w:]+)|(?:pub\s+)?mod\s+(?P<mod>\w+)\s*;"
    r"|(?:\w+\s+)?\"(?P<go>[\w.-]+/[\w./-]+)\"\s*$"
    r"|require(?:_relative)?\s+['\"](?P<ruby>[^'\"]{1,200})['\"])"
    r"|.{0,200}?\b(?:from|require\(|import\(?)\s*['\"](?P<script>[^'\"]{1,200})['\"]"
)


def find_definitions(text: str) -> tuple[Definition, ...]:
    """Return the definitions of a source text in their order, at most MAX_DEFINITIONS."""
    lines = text.split("\n")
    starts = list(_starts(lines))[:MAX_DEFINITIONS]
    ends = _ends([(number, indent) for number, indent, _ in starts], lines)
    return tuple(
        Definition(name, number, last) for (number, _, name), last in zip(starts, ends, strict=True)
    )


def _starts(lines: list[str]) -> Iterator[tuple[int, int, str]]:
    """Yield the line, the indentation and the name of each definition."""
    for number, line in enumerate(lines, start=1):
        if len(line) > LONGEST_LINE:
            continue
        found = _DEFINITION.match(line)
        name = found[found.lastgroup or ""] if found and found.lastgroup != "indent" else ""
        if found and name and name not in _NO_NAMES:
            if found["indent"] and not _is_member(found.lastgroup or "", line):
                continue
            yield number, len(found["indent"].expandtabs(4)), name


def _is_member(kind: str, line: str) -> bool:
    """Return whether an indented line defines a member, and is no statement of a function."""
    if kind == "typed":
        return line.rstrip().endswith("{") and line.split(maxsplit=1)[0] not in _NO_NAMES
    return kind not in ("value", "constant")


def _ends(starts: list[tuple[int, int]], lines: list[str]) -> list[int]:
    """Return the last line of each definition: the last that is indented deeper."""
    depths = [_depth(line) for line in lines]
    ends = []
    for number, indent in starts:
        last = number
        for at in range(number, min(len(lines), number + 2000)):
            if depths[at] > indent:
                last = at + 1
            elif depths[at] >= 0:
                if lines[at].lstrip().startswith(_CLOSING) and depths[at] == indent:
                    last = at + 1
                    continue
                break
        ends.append(last)
    return ends


def _depth(line: str) -> int:
    """Return the indentation of a line, -1 of a blank one."""
    stripped = line.lstrip()
    return len(line[: len(line) - len(stripped)].expandtabs(4)) if stripped else -1


def find_imports(text: str) -> tuple[str, ...]:
    """Return what a source text imports, as it spells it, at most MAX_IMPORTS."""
    found: dict[str, None] = {}
    for line in text.split("\n"):
        if len(line) <= LONGEST_LINE and (match := _IMPORT.match(line)):
            found[match[match.lastgroup or 0].strip()] = None
            if len(found) >= MAX_IMPORTS:
                break
    return tuple(found)
