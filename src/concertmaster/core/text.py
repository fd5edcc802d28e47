"""Text for people's eyes: nothing that agents or files say may steer a terminal or a reader."""

from __future__ import annotations

import re
import unicodedata

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# Colours are common and innocent in what tools print; they go without a trace.
_ESCAPE_SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC and the like: titles, links, clipboard
    r"|\x1b[ -/]*[0-~]"
)
_BREAKS = re.compile(r"[ ]*[\t-\r\x1c-\x1f\x85\u2028\u2029]+[ ]*")
# Control, format (bidi, zero-width), surrogate, private use.
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co"})
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")


def display(text: str, *, limit: int = 200) -> str:
    """One line of at most `limit` characters that shows what it holds and does nothing else.

    Line breaks become spaces, escape sequences go, each other control, bidi or invisible
    character becomes U+FFFD.
    """
    line = _BREAKS.sub(" ", _ESCAPE_SEQUENCE.sub("", text).strip("\t\r\n"))
    shown = "".join(_visible(character) for character in line[: limit + 1]).rstrip()
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _visible(character: str) -> str:
    unsafe = unicodedata.category(character) in _UNSAFE_CATEGORIES or character in _INVISIBLE
    return REPLACEMENT if unsafe else character


def duration(seconds: float) -> str:
    """4.1s, 2m 05s, 1h 02m."""
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02}s"
    return f"{minutes // 60}h {minutes % 60:02}m"


def count(number: int, noun: str) -> str:
    """1 task, 3 tasks."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def short(commit: str) -> str:
    """A commit's id as people write it."""
    return commit[:7]
