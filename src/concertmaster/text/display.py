"""Text for people's eyes: nothing that agents or files say may steer a terminal or a reader."""

from __future__ import annotations

import difflib
import math
import re
import unicodedata
from collections.abc import Iterable

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# Colours are common and innocent in what tools print; they go without a trace.
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
# Plane 14: tags and variation selectors, in which whole sentences can be hidden.
_HIDDEN = range(0xE0000, 0xE1000)
_SKIPS_CHECKS = re.compile(
    r"\[(no[ _-]ci|skip[ _-][\w-]+|[\w-]+[ _-]skip)\]|\*{3}(no_ci)\*{3}", re.IGNORECASE
)
_DURATION = re.compile(
    r"(?:([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*+h(?:ours?)?)?\s*+"
    r"(?:([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*+m(?:in(?:utes?)?)?)?\s*+"
    r"(?:([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*+s(?:ec(?:onds?)?)?)?"
)


def display(text: str, *, limit: int = 200) -> str:
    """One line of at most `limit` characters that shows what it holds and does nothing else.

    Line breaks become spaces, escape sequences go, each other control, bidi or invisible
    character becomes U+FFFD.
    """
    line = _one_line(text.strip("\t\r\n"))
    shown = _show(line[: limit + 1]).rstrip()
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def visible(text: str) -> str:
    """As `display`, in full length and with the spaces at both ends."""
    return _show(_one_line(text))


def keep_checks(line: str) -> str:
    """`[skip ci]` and its like in round brackets: in a commit's message they skip checks."""
    return _SKIPS_CHECKS.sub(r"(\1\2)", line)


def is_visible(character: str) -> bool:
    """Whether readers see the character, and see it where it stands."""
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
    """4.1s, 2m 05s, 1h 02m; what another machine told may be no number."""
    if not math.isfinite(seconds):
        return "unknown time"
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02}s"
    return f"{minutes // 60}h {minutes % 60:02}m"


def took(seconds: float, setup_seconds: float) -> str:
    """4.1s (setup 3.9s), or 4.1s where no setup ran."""
    setup = f" (setup {duration(setup_seconds)})" if setup_seconds else ""
    return f"{duration(seconds)}{setup}"


def read_duration(text: str) -> float:
    """Seconds of 90s, 45m, 1h30m or plain minutes; 0 for what is no duration."""
    written = text.strip().lower()
    if written.replace(".", "", 1).isdecimal():
        written += "m"
    parts = _DURATION.fullmatch(written)
    amounts = parts.groups(default="0") if parts else ()
    return sum(float(n) * unit for n, unit in zip(amounts, (3600, 60, 1), strict=False))


def size(number_of_bytes: int) -> str:
    """0.4 GiB; never more than there is."""
    tenths = number_of_bytes * 10 // (1 << 30)
    return f"{tenths / 10:.1f} GiB"


def count(number: int, noun: str) -> str:
    """1 task, 3 tasks."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def shorten_id(commit: str) -> str:
    """A commit's id as people write it."""
    return commit[:7]


def closest_word(name: str, known: Iterable[str]) -> str:
    """The known name that was probably meant; "" where none comes near."""
    close = difflib.get_close_matches(name[:60].lower(), known, n=1)
    return close[0] if close else ""
