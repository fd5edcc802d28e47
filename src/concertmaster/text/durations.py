"""Reads spans of time that people write."""

from __future__ import annotations

import re

_DURATION = re.compile(
    r"(?:([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*+h(?:ours?)?)?\s*+"
    r"(?:([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*+m(?:in(?:utes?)?)?)?\s*+"
    r"(?:([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*+s(?:ec(?:onds?)?)?)?"
)


def read_duration(text: str) -> float:
    """Return the seconds of 90s, 45m, 1h30m or plain minutes; 0 if the text is no duration."""
    written = text.strip().lower()
    if written.replace(".", "", 1).isdecimal():
        written += "m"
    parts = _DURATION.fullmatch(written)
    amounts = parts.groups(default="0") if parts else ()
    return sum(float(n) * unit for n, unit in zip(amounts, (3600, 60, 1), strict=False))
