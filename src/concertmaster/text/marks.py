"""Writes and reads the hidden marks of Concertmaster's issues and comments."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile

from concertmaster.errors import Error
from concertmaster.text.display import display

_VALUE = r"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*"
_MARK = re.compile(
    rf"<!-- concertmaster run=({_VALUE})(?: task=({_VALUE}))? kind=({_VALUE}) -->", re.ASCII
)


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
