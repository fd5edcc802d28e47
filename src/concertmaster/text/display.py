"""Formats untrusted text and numbers for display, so that text cannot steer a terminal."""

from __future__ import annotations

import difflib
import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import zip_longest

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# Colours are common and harmless in the output of tools, so they leave no U+FFFD behind.
_ESCAPE_SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC and the like: titles, links, clipboard
    r"|\x1b[ -/]*[0-~]"
)
_BREAKS = re.compile(r"(?<! ) *+[\t-\r\x1c-\x1f\x85\u2028\u2029]+ *+")
_MAYBE_INVISIBLE = re.compile(r"[^ -~]")
# Control, format (bidi, zero-width), surrogate, private use.
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co"})
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2065\u2800\u3164\uffa0")
# Plane 14 (tags and variation selectors) can hide whole sentences.
_HIDDEN = range(0xE0000, 0xE1000)
_SKIPS_CHECKS = re.compile(
    r"\[(no[ _-]ci|skip[ _-][\w-]+|[\w-]+[ _-]skip)\]|\*{3}(no_ci)\*{3}", re.IGNORECASE
)


def writable(text: str) -> str:
    """Return the text without halves of characters, which JSON can hold and no file can."""
    return text.encode("utf-8", "replace").decode()


def pair_up(texts: Sequence[str], reasons: Sequence[str]) -> tuple[str, ...]:
    """Return each text with its reason in brackets, where there is one."""
    pairs = zip_longest(texts, reasons[: len(texts)], fillvalue="")
    return tuple(f"{text} ({reason})" if reason else text for text, reason in pairs)


def display(text: str, *, limit: int = 200) -> str:
    """Return the text as one line of at most `limit` characters that is safe to print.

    Line breaks become spaces. Escape sequences are removed. Every other control, bidi or invisible
    character becomes U+FFFD. A longer line ends with an ellipsis.
    """
    line = _one_line(text.strip("\t\r\n"))
    shown = _show(line[: limit + 1]).rstrip()
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def display_block(text: str, *, limit: int) -> str:
    """Return lines of at most `limit` characters in all that are safe to print.

    They are cleaned as `display` cleans a line. Tabs stay. A longer text ends with a note.
    """
    kept = text[:limit]
    lines = (_ESCAPE_SEQUENCE.sub("", line) for line in kept.splitlines())
    shown = "\n".join("\t".join(_show(part) for part in line.split("\t")) for line in lines)
    return shown if len(text) <= limit else f"{shown}\n(there is more)"


def visible(text: str) -> str:
    """Return the text as `display` does, without a limit and with spaces at both ends."""
    return _show(_one_line(text))


def keep_checks(line: str) -> str:
    """Return the line with `[skip ci]` and similar markers in round brackets.

    Square brackets in a commit message would make GitHub skip the checks.
    """
    return _SKIPS_CHECKS.sub(r"(\1\2)", line)


def is_visible(character: str) -> bool:
    """Return whether readers see the character, at the place where it stands."""
    return not (
        unicodedata.category(character) in _UNSAFE_CATEGORIES
        or character in _INVISIBLE
        or ord(character) in _HIDDEN
    )


def _one_line(text: str) -> str:
    return _BREAKS.sub(" ", _ESCAPE_SEQUENCE.sub("", text))


def _show(line: str) -> str:
    return _MAYBE_INVISIBLE.sub(lambda m: m[0] if is_visible(m[0]) else REPLACEMENT, line)


def duration(seconds: float) -> str:
    """Return seconds as text, such as 4.1s, 2m 05s or 1h 02m.

    Values that are not finite, which another machine may report, become "unknown time".
    """
    if not math.isfinite(seconds):
        return "unknown time"
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02}s"
    return f"{minutes // 60}h {minutes % 60:02}m"


def took(seconds: float, setup_seconds: float) -> str:
    """Return a duration as text with that of its setup: 4.1s (setup 3.9s), or 4.1s without one."""
    setup = f" (setup {duration(setup_seconds)})" if setup_seconds else ""
    return f"{duration(seconds)}{setup}"


def size(number_of_bytes: int) -> str:
    """Return bytes as text in GiB, such as 0.4 GiB, rounded down."""
    tenths = number_of_bytes * 10 // (1 << 30)
    return f"{tenths / 10:.1f} GiB"


def count(number: int, noun: str) -> str:
    """Return a number with its noun, such as 1 task or 3 tasks."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def shorten_id(commit: str) -> str:
    """Return the first 7 digits of a commit id."""
    return commit[:7]


def closest_word(name: str, known: Iterable[str]) -> str:
    """Return the known name most similar to `name`, or "" if none is similar enough."""
    close = difflib.get_close_matches(name[:60].lower(), known, n=1)
    return close[0] if close else ""


def leave_out_empty(
    columns: Sequence[str], rows: Sequence[Sequence[str]]
) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Return the table without columns that no row fills, such as costs that no agent tells."""
    filled = [number for number in range(len(columns)) if any(row[number] for row in rows)]
    return [columns[n] for n in filled], [[row[n] for n in filled] for row in rows]
