"""Writes `.github/Memory.md`, which tells people and later agents what each run did.

The section between two marks is ours (of several pairs, the last); everything else is kept byte for
byte. Only entries that we could have written stay in the section, so that no other text there can
steer an agent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

from concertmaster.comments.round_report import commit_link, known_cost, read_clock
from concertmaster.model import TaskState
from concertmaster.report.summary import say_state
from concertmaster.rounds.history import History, TaskHistory
from concertmaster.text.display import count, duration
from concertmaster.text.markdown import as_line
from concertmaster.text.object_ids import is_object_id

BEGIN, END = "<!-- concertmaster:begin -->", "<!-- concertmaster:end -->"
MOST_ENTRIES = 60
MOST_BYTES = 100_000  # between the marks
LARGEST_FILE = 1_000_000  # bytes

_LARGEST_ENTRY = 20_000  # bytes
_LONGEST_TEXT = 2000  # characters
_PREFACE = "# Memory\n\nConcertmaster writes between the two marks; all else here is yours.\n\n"
_STATES = "|".join(map(say_state, TaskState))
_HEADING = re.compile(
    r"### \d{4}-\d\d-\d\d ([A-Za-z0-9][A-Za-z0-9._-]{0,99})(?: \(#[1-9]\d{0,15}\))?", re.ASCII
)
_TASK = re.compile(rf"- (?:{_STATES})(?: #[1-9]\d{{0,15}})?(?: [0-9a-f]{{7}})?: (\S.*)", re.ASCII)
_MORE = re.compile(r"- and \d{1,9} more tasks?", re.ASCII)
_SUM = re.compile(
    r"- \d{1,9} of \d{1,9} tasks? landed; agents worked [\dhms. ]{2,20}, "
    r"(?:at unknown cost|for (?:at least )?\$\d{1,12}\.\d\d)",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _MemoryEntry:
    """The entry of one run: a heading and the lines below it."""

    run: str
    lines: tuple[str, ...]

    @property
    def size(self) -> int:
        """Return the size in bytes, with the empty line behind the entry."""
        return sum(map(_size, self.lines)) + 1


def write_memory(old: bytes | None, history: History, *, at: int) -> bytes | None:
    """Return the file with this run's entry on top, dated `at` (epoch seconds).

    `old` is None when there is no file. Returns None when the file must stay as it is: the old or
    the new one is over 1 MB, or the old one is not UTF-8. A file without a pair of marks gets one
    at its end. Entries survive a merge conflict between the marks.
    """
    if old is not None and len(old) > LARGEST_FILE:
        return None
    try:
        text = old.decode() if old else _PREFACE
    except UnicodeDecodeError:
        return None
    new = _put(_write_entry(history, at=at), text).encode()
    return new if len(new) <= LARGEST_FILE else None


def _put(entry: _MemoryEntry, text: str) -> str:
    """Return the text with the entry as the first one of our section."""
    lines = _with_marks(text)
    first, last = _find_marks(lines) or (len(lines), len(lines))
    ending = "\r" if lines[first].endswith("\r") else ""
    kept = _bound([entry, *_read_entries(lines[first + 1 : last], but=entry.run)])
    between = ["", *(line for one in kept for line in (*one.lines, ""))]
    return "\n".join([*lines[: first + 1], *(line + ending for line in between), *lines[last:]])


def _with_marks(text: str) -> list[str]:
    """Return the lines of the text, with a new pair of marks at the end where there is none."""
    lines = text.split("\n")
    if _find_marks(lines):
        return lines
    ending = "\r" if lines[0].endswith("\r") else ""
    if lines[-1]:
        lines[-1] += ending
        lines.append("")
    if len(lines) > 1 and lines[-2].strip():
        lines[-1:] = [ending, ""]
    return [*lines[:-1], BEGIN + ending, END + ending, ""]


def _find_marks(lines: Sequence[str]) -> tuple[int, int] | None:
    """Return the indexes of the last begin that an end follows, and of that end."""
    marks = [(at, line.rstrip()) for at, line in enumerate(lines) if line.rstrip() in (BEGIN, END)]
    pairs = [
        (first, last)
        for (first, begin), (last, end) in pairwise(marks)
        if (begin, end) == (BEGIN, END)
    ]
    return pairs[-1] if pairs else None


def _read_entries(lines: Iterable[str], *, but: str) -> Iterator[_MemoryEntry]:
    """Yield each run's first entry that we could have written, without that of the run `but`."""
    seen = {but}
    for entry in _split(line.removesuffix("\r") for line in lines):
        if entry.run not in seen and len(entry.lines) > 1:
            seen.add(entry.run)
            yield entry


def _split(lines: Iterable[str]) -> Iterator[_MemoryEntry]:
    """Yield the entries in the lines; lines that we could not have written are dropped."""
    entry: _MemoryEntry | None = None
    for line in lines:
        heading = _HEADING.fullmatch(line)
        if heading and entry:
            yield entry
        if heading:
            entry = _MemoryEntry(run=heading[1], lines=(line,))
        elif entry and _is_ours(line):
            entry = _MemoryEntry(run=entry.run, lines=(*entry.lines, line))
    if entry:
        yield entry


def _is_ours(line: str) -> bool:
    """Return whether we could have written the line below a heading."""
    task = _TASK.fullmatch(line)
    if task:
        return as_line(task[1], limit=_LONGEST_TEXT) == task[1]
    return bool(_SUM.fullmatch(line) or _MORE.fullmatch(line))


def _bound(entries: Iterable[_MemoryEntry]) -> Iterator[_MemoryEntry]:
    """Yield the first entries, at most MOST_ENTRIES and MOST_BYTES."""
    room = MOST_BYTES - 2
    for entry in islice(entries, MOST_ENTRIES):
        room -= entry.size
        if room < 0:
            return
        yield entry


def _write_entry(history: History, *, at: int) -> _MemoryEntry:
    parent = f" (#{history.parent})" if history.parent > 0 else ""
    head = (f"### {read_clock(at):%Y-%m-%d} {history.run}{parent}", _sum(history))
    tasks: list[str] = []
    room = _LARGEST_ENTRY - sum(map(_size, head))
    for one in history.tasks.values():
        line = _write_task(one)
        room -= _size(line)
        if room < 0:
            tasks.append(f"- and {count(len(history.tasks) - len(tasks), 'more task')}")
            break
        tasks.append(line)
    return _MemoryEntry(run=history.run, lines=(*head, *tasks))


def _write_task(one: TaskHistory) -> str:
    pull = f" #{one.pull}" if one.pull > 0 else ""
    commit = f" {commit_link(one.landed_as)}" if is_object_id(one.landed_as) else ""
    title = as_line(one.title, limit=80) or as_line(one.task)
    reason = as_line("" if one.is_done else one.reason, limit=160)
    text = as_line(f"{title}; {reason}" if reason else title, limit=_LONGEST_TEXT)
    return f"- {say_state(one.state)}{pull}{commit}: {text}"


def _sum(history: History) -> str:
    tasks = history.tasks.values()
    landed = sum(one.state is TaskState.LANDED for one in tasks)
    worked = duration(sum(one.seconds for one in tasks))
    return (
        f"- {landed} of {count(len(tasks), 'task')} landed; agents worked {worked}, "
        f"{known_cost(tasks)}"
    )


def _size(line: str) -> int:
    """Return the size of the line in bytes, with a Windows line break."""
    return len(line.encode()) + 2
