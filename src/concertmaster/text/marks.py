"""Writes and reads the hidden marks of Concertmaster's issues and comments."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from concertmaster.errors import Error
from concertmaster.text.display import display

_VALUE = r"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*"
_MARK = re.compile(
    rf"<!-- concertmaster run=({_VALUE})(?: task=({_VALUE}))? kind=({_VALUE}) -->", re.ASCII
)
_DATA = re.compile(
    r"<!-- concertmaster-data format=([a-z]{1,20}) version=([1-9][0-9]{0,3}) (\{.*\}) -->"
)
MOST_DATA = 30_000  # characters, of the 65,536 that GitHub takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A hidden mark: the subject of an issue, comment or pull request of Concertmaster.

    `task` is "" if the subject is the whole run.
    """

    run: str
    task: str = ""
    kind: str


def mark(*, run: str, kind: str, task: str = "") -> str:
    """Return the HTML comment to be placed at the very top of a body.

    Raises Error if a value holds anything but letters, digits and single . _ -
    """
    words = (f"run={run}", *([f"task={task}"] if task else []), f"kind={kind}")
    written = f"<!-- concertmaster {' '.join(words)} -->"
    if not _MARK.fullmatch(written):
        raise Error(
            "A mark cannot be written.",
            why=f"{display(written)!r} holds more than letters, digits and single . _ -",
            next_step="Report this as a bug.",
        )
    return written


def read_marks(body: str) -> tuple[Mark, ...]:
    """Return the marks at the top of a body.

    Reading stops at the first other line, since anyone may have written the marks below it.
    """
    lines = (_MARK.fullmatch(line.removesuffix("\r")) for line in body.split("\n"))
    return tuple(
        Mark(run=found[1], task=found[2] or "", kind=found[3])
        for found in takewhile(lambda found: found is not None, lines)
        if found
    )


def data_comment(value: Mapping[str, Any], *, kind: str, version: int) -> str:
    """Return a hidden comment that holds the value as JSON, for the line below the mark.

    Returns "" for a value that takes more than MOST_DATA characters.
    """
    text = json.dumps(value, separators=(",", ":"))
    # Two hyphens would end the comment. Outside of strings JSON has none.
    text = text.replace("--", "-\\u002d")
    written = f"<!-- concertmaster-data format={kind} version={version} {text} -->"
    return written if len(written) <= MOST_DATA else ""


def read_data(body: str, *, kind: str, version: int) -> Mapping[str, Any] | None:
    """Return the value of the data comment at the top of a body; None if there is none.

    The caller trusts the author of the body and nothing in the value.
    """
    lines = (line.removesuffix("\r") for line in body.split("\n"))
    line = next((line for line in lines if not _MARK.fullmatch(line)), "")
    found = _DATA.fullmatch(line) if len(line) <= MOST_DATA else None
    if found is None or (found[1], int(found[2])) != (kind, version):
        return None
    try:
        value = json.loads(found[3])
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
