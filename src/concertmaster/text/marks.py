"""Hidden marks in the issues and comments that Concertmaster writes."""

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
    """What an issue, comment or pull request of ours is about; `task` is "" for a whole run's."""

    run: str
    task: str = ""
    kind: str


def mark(*, run: str, kind: str, task: str = "") -> str:
    """The comment that stands at the very top of a body of ours. Raises Error for odd values."""
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
    """The marks at the top of a body. Below the first other line anyone may have written them."""
    lines = (_MARK.fullmatch(line.removesuffix("\r")) for line in body.split("\n"))
    return tuple(
        Mark(run=found[1], task=found[2] or "", kind=found[3])
        for found in takewhile(lambda found: found is not None, lines)
        if found
    )
