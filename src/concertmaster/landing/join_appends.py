"""Joins what two changes added at one place of a list, a changelog or an import block.

The join is pure: whoever repeats it gets the same bytes. Change `VERSION` with any change of what
it returns, since GitHub's jobs compare commits that they made apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

from concertmaster.landing.three_way import Lines, Region, compare_sides

VERSION = 1
MOST_BYTES = 2_000_000
MOST_LINES = 40_000

_PROSE = {"", ".md", ".markdown", ".rst", ".txt", ".adoc"}
_PROSE_NAMES = re.compile(rb"(?i)change|news|history|release|author|contributor|readme|todo")
_LINE_LISTS = re.compile(r"\.\w*ignore|\.gitattributes|.*requirements.*\.(txt|in)|CODEOWNERS")
_LIST_ITEM = re.compile(rb"\s*([-*+]|\d+[.)])\s")
_IMPORT = re.compile(
    rb"\s*(import|from|use|pub use|mod|pub mod|using|require|require_relative|export \*|export \{"
    rb"|#include|@import|load|extern crate|open)\b.*|\s*(\w+\s+)?\"[^\"]+\""
    rb"|\s*(const|let|var)\b.*=\s*require\(.*"
)
_DEFINITION = re.compile(
    rb"(?P<indent>\s*)(?:@\w.*|(?:export |default |pub(?:\(\w+\))? |public |private |static |async "
    rb"|final )*(?:def|class|function|func|fn|struct|enum|interface|type|impl|test|it|describe)\b"
    rb"(?P<name>.*))"
)
_KEY = re.compile(rb"(?P<indent>\s*)(?P<name>[\w.\"'/-]++(?: ++[\w.\"'/-]++)*+)\s*[:=]")
_OPENING, _CLOSING = b"([{", b")]}"


def join_appends(
    path: str, *, base: bytes, ours: bytes, theirs: bytes, is_union: bool = False
) -> bytes | None:
    """Return the file with the additions of both sides, ours first; None if that is not safe.

    With `is_union` the additions of both sides are kept in any kind of file.
    """
    sides = (base, ours, theirs)
    if any(len(side) > MOST_BYTES or b"\0" in side for side in sides):
        return None
    lines = [_split(side) for side in sides]
    if any(len(one) > MOST_LINES for one in lines):
        return None
    may_join = _keep_all if is_union else _choose_rule(path)
    found: list[bytes] = []
    for region in compare_sides(*lines):
        joined = _join_region(region, may_join)
        if joined is None:
            return None
        found += joined
    has_end = ours.endswith(b"\n") or theirs.endswith(b"\n")
    end = b"\n" if found and has_end else b""
    return b"\n".join(found) + end


def _split(data: bytes) -> list[bytes]:
    return data.removesuffix(b"\n").split(b"\n") if data else []


Join = Callable[[Lines, Lines], Lines | None]


def _join_region(region: Region, join: Join) -> Lines | None:
    base, ours, theirs = map(list, (region.base, region.ours, region.theirs))
    if ours in (base, theirs):
        return theirs
    if theirs == base:
        return ours
    size = len(base)
    if ours[:size] == base == theirs[:size]:
        joined = join(ours[size:], theirs[size:])
        return None if joined is None else [*base, *joined]
    if size and ours[-size:] == base == theirs[-size:]:
        joined = join(ours[:-size], theirs[:-size])
        return None if joined is None else [*joined, *base]
    return _join_after_comma(base, ours, theirs, join)


def _join_after_comma(
    base: list[bytes], ours: list[bytes], theirs: list[bytes], join: Join
) -> Lines | None:
    """Join items behind a last item to which both sides had to add a comma."""
    size = len(base)
    if not size:
        return None
    start = [*base[:-1], base[-1] + b","]
    if not (ours[:size] == start == theirs[:size]):
        return None
    mine, other = ours[size:], theirs[size:]
    if not mine or not other or mine[-1].endswith(b",") or other[-1].endswith(b","):
        return None
    joined = join([*mine[:-1], mine[-1] + b","], [*other[:-1], other[-1] + b","])
    return None if joined is None else [*start, *joined[:-1], joined[-1].removesuffix(b",")]


# --- which additions may be joined -------------------------------------------------------------


def _choose_rule(path: str) -> Join:
    name = PurePosixPath(path)
    if _LINE_LISTS.fullmatch(name.name):
        return _join_lines
    is_prose = name.suffix.lower() in _PROSE - {""}
    is_prose = is_prose or (not name.suffix and bool(_PROSE_NAMES.search(name.name.encode())))
    if is_prose:
        return _join_prose
    return _join_data if name.suffix in (".yml", ".yaml", ".toml", ".ini", ".cfg") else _join_code


def _keep_all(ours: Lines, theirs: Lines) -> Lines:
    return [*ours, *theirs]


def _join_lines(ours: Lines, theirs: Lines) -> Lines:
    """Join lists of lines in which an entry counts once."""
    return [*ours, *(line for line in theirs if line not in ours or not line.strip())]


def _join_prose(ours: Lines, theirs: Lines) -> Lines:
    """Join paragraphs and items; a heading that both sides added stays once."""
    same = 0
    while same < min(len(ours), len(theirs)) and ours[same] == theirs[same]:
        same += 1
    if not any(line.strip() for line in ours[:same]):
        same = 0
    mine, other = list(ours[same:]), list(theirs[same:])
    if mine and other and _LIST_ITEM.match(_first(mine)) and _LIST_ITEM.match(_first(other)):
        while not mine[-1].strip():  # the items stay one list
            mine.pop()
    return [*ours[:same], *mine, *other]


def _join_code(ours: Lines, theirs: Lines) -> Lines | None:
    if _are_all(_IMPORT, ours, theirs):
        return _join_lines(ours, theirs)
    if not (_is_balanced(ours) and _is_balanced(theirs)):
        return None
    if _are_items(ours) and _are_items(theirs):
        return _keep_all(ours, theirs)
    return _join_named(_DEFINITION, ours, theirs)


def _join_data(ours: Lines, theirs: Lines) -> Lines | None:
    mine, other = _LIST_ITEM.match(_first(ours)), _LIST_ITEM.match(_first(theirs))
    if mine and other:
        return _keep_all(ours, theirs) if mine.group() == other.group() else None
    if mine or other or not (_is_balanced(ours) and _is_balanced(theirs)):
        return None
    return _join_named(_KEY, ours, theirs)


def _join_named(kind: re.Pattern[bytes], ours: Lines, theirs: Lines) -> Lines | None:
    """Join definitions that begin at the same indentation and have different names."""
    sides = [_read_names(kind, side) for side in (ours, theirs)]
    (indent, names), (other_indent, others) = sides
    if indent is None or indent != other_indent or names & others:
        return None
    return _keep_all(ours, theirs)


def _read_names(kind: re.Pattern[bytes], lines: Lines) -> tuple[bytes | None, frozenset[bytes]]:
    """Return the indentation of the first line and the names defined there.

    The indentation is None if something else than a definition stands there.
    """
    first = kind.match(_first(lines))
    if first is None:
        return None, frozenset()
    indent = first["indent"]
    names = set[bytes]()
    for line in lines:
        is_at_level = line.startswith(indent) and line[len(indent) : len(indent) + 1].strip()
        found = kind.match(line) if is_at_level else None
        if is_at_level and found is None and line.strip()[:1] not in (b"}", b")", b"]"):
            return None, frozenset()
        if found and found["name"]:
            names.add(found["name"].strip())
    return indent, frozenset(names)


def _are_all(kind: re.Pattern[bytes], *sides: Lines) -> bool:
    lines = [line for side in sides for line in side if line.strip()]
    return all(kind.fullmatch(line) for line in lines)


def _are_items(lines: Lines) -> bool:
    """Return whether these are whole items of a list in brackets, with a comma after each."""
    written = [line for line in lines if line.strip()]
    if not written or not written[-1].endswith(b","):
        return False
    return _indent(written[0]) == _indent(written[-1]) and not any(
        line.rstrip().endswith((b";", b":")) for line in written
    )


def _indent(line: bytes) -> int:
    return len(line) - len(line.lstrip())


def _is_balanced(lines: Sequence[bytes]) -> bool:
    text = b"\n".join(lines)
    return all(
        text.count(bytes([left])) == text.count(bytes([right]))
        for left, right in zip(_OPENING, _CLOSING, strict=True)
    )


def _first(lines: Lines) -> bytes:
    """Return the first line that is not blank, b"" if there is none."""
    return next((line for line in lines if line.strip()), b"")
