"""Reads the entries of Memory.md of version 1, which hid no data in them."""

from __future__ import annotations

import re

from concertmaster.model import TaskState
from concertmaster.report.summary import say_state
from concertmaster.text.markdown import as_line

_LONGEST_TEXT = 2000  # characters
_STATES = "|".join(map(say_state, TaskState))
_HEADING = re.compile(
    r"### \d{4}-\d\d-\d\d ([A-Za-z0-9][A-Za-z0-9._-]{0,99})(?: \(#[1-9]\d{0,15}\))?", re.ASCII
)
_TASK = re.compile(rf"- (?:{_STATES})(?: #[1-9]\d{{0,15}})?(?: [0-9a-f]{{7}})?: (\S.*)", re.ASCII)
_MORE = re.compile(r"- and \d{1,9} more tasks?", re.ASCII)
_SUM = re.compile(
    r"- \d{1,9} of \d{1,9} tasks? landed; agents worked [\dhms. ]{2,20}, "
    r"(?:at unknown cost|for (?:at least )?~?\$\d{1,12}\.\d\d)",
    re.ASCII,
)


def read_heading(line: str) -> str:
    """Return the run whose entry begins with this line, "" if none does."""
    heading = _HEADING.fullmatch(line)
    return heading[1] if heading else ""


def is_of_entry(line: str) -> bool:
    """Return whether we could have written the line below a heading."""
    task = _TASK.fullmatch(line)
    if task:
        return as_line(task[1], limit=_LONGEST_TEXT) == task[1]
    return bool(_SUM.fullmatch(line) or _MORE.fullmatch(line))
