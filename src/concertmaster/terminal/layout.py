"""Lays out tables for a width: aligned where they fit, else one block for each row.

Words and paths are never broken.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence

STACKED_BELOW = 100  # columns
_LONG = ("title", "footprint", "waits for", "what", "how it stands", "not predicted")
_COUNTED = ("predicted", "changed", "both", "precision", "recall", "ran", "passed")
_UNLABELLED = ("title", "what", "how it stands")
_NARROWEST = 24  # characters of a column that is wrapped
_INDENT = "   "
_TIME = re.compile(r" *[0-9.]+s  ")  # that a line of progress begins with


def align(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the rows as lines with aligned columns, however wide."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def lay_out(columns: Sequence[str], rows: Sequence[Sequence[str]], *, width: int) -> Iterator[str]:
    """Yield the lines of a table for a terminal of this width."""
    widths = _fit(columns, rows, width=width)
    if widths:
        for row in (columns, *rows):
            yield from _wrap_row(row, widths)
        return
    for row in rows:
        yield from _stack(columns, row, width=width)


def _fit(columns: Sequence[str], rows: Sequence[Sequence[str]], *, width: int) -> list[int]:
    """Return the widths of the columns, [] if the rows have to be stacked."""
    cells = [list(column) for column in zip(columns, *rows, strict=True)]
    widths = [max(map(len, column)) for column in cells]
    room = width - 2 * (len(columns) - 1)
    if sum(widths) <= room or width < STACKED_BELOW:
        return widths if sum(widths) <= room else []
    least = {
        n: max(_NARROWEST, *(len(word) for cell in cells[n] for word in cell.split() or [""]))
        for n, name in enumerate(columns)
        if name in _LONG
    }
    while sum(widths) > room:
        wide = [n for n in least if widths[n] > least[n]]
        if not wide:
            return []
        widest = max(wide, key=lambda n: widths[n])
        widths[widest] = max(least[widest], widths[widest] - (sum(widths) - room))
    return widths


def _wrap_row(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    wrapped = [_wrap(cell, width) for cell, width in zip(row, widths, strict=True)]
    for number in range(max(map(len, wrapped))):
        line = [cell[number] if number < len(cell) else "" for cell in wrapped]
        padded = (part.ljust(width) for part, width in zip(line, widths, strict=True))
        yield "  ".join(padded).rstrip()


def _wrap(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]


def _stack(columns: Sequence[str], row: Sequence[str], *, width: int) -> Iterator[str]:
    """Yield a row as a line of its short cells, and a labelled line for each long one."""
    pairs = list(zip(columns, row, strict=True))
    short = [_name(name, cell) for name, cell in pairs if cell and name not in _LONG]
    yield from _hang("  ".join(short), width=width, first="")
    for name, cell in pairs:
        if cell and name in _LONG:
            label = "" if name in _UNLABELLED else f"{name}: "
            yield from _hang(f"{label}{cell}", width=width, first=_INDENT)


def _name(column: str, cell: str) -> str:
    """Return a cell that says what it is without the head of its column."""
    if column == "attempts":
        return f"{cell} attempt{'' if cell == '1' else 's'}"
    return f"{column} {cell}" if column in _COUNTED else cell


def _hang(text: str, *, width: int, first: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        max(width, 20),
        initial_indent=first,
        subsequent_indent=indent or f"{first}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def wrap_line(text: str, *, width: int) -> list[str]:
    """Return a line that is too long as several, which go on below its text."""
    if len(text) <= width:
        return [text]
    start = _TIME.match(text)
    first = start[0] if start else ""
    indent = " " * len(first) or "  "
    return _hang(text[len(first) :], width=width, first=first, indent=indent)


def crop(text: str, *, width: int) -> str:
    """Return the start of a line that is too long, up to the last whole word, with an ellipsis."""
    if len(text) <= width:
        return text
    return f"{text[: width - 1].rpartition(' ')[0].rstrip()} …"[:width]


def shorten_name(name: str, *, limit: int) -> str:
    """Return a name of at most `limit` characters; a long one lacks its middle."""
    if len(name) <= limit:
        return name
    ending = min(8, limit // 2)
    return f"{name[: limit - ending - 1]}…{name[-ending:]}"
