"""Writes `.github/Memory.md`, which tells people and later agents what each run did.

The section between two marks is ours (of several pairs, the last); everything else is kept byte for
byte. Only entries that we could have written stay in the section, so that no other text there can
steer an agent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise

from concertmaster.comments import memory_v1
from concertmaster.comments.memory_entry import (
    MemoryEntry,
    make_entry,
    measure,
    read_entry,
)
from concertmaster.rounds.history import History

PATH = ".github/Memory.md"
BEGIN, END = "<!-- concertmaster:begin -->", "<!-- concertmaster:end -->"
MOST_ENTRIES = 60
MOST_BYTES = 100_000  # between the marks
LARGEST_FILE = 1_000_000  # bytes

_PREFACE = "# Memory\n\nConcertmaster writes between the two marks; all else here is yours.\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class _KeptEntry:
    """The lines of the entry of one run."""

    run: str
    lines: tuple[str, ...]


def write_memory(old: bytes | None, history: History, *, at: int) -> bytes | None:
    """Return the file with this run's entry on top, as `add_entry` does.

    The entry is dated `at` (epoch seconds).
    """
    return add_entry(old, make_entry(history, at=at))


def add_entry(old: bytes | None, told: MemoryEntry) -> bytes | None:
    """Return the file with this entry on top, in place of an earlier one of its run.

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
    entry = _KeptEntry(run=told.run, lines=told.lines)
    new = _put(entry, text).encode()
    return new if len(new) <= LARGEST_FILE else None


def names_run(old: bytes, run: str) -> bool:
    """Return whether the file has an entry of the run."""
    lines = old.decode(errors="replace").split("\n")
    first, last = _find_marks(lines) or (0, 0)
    return any(one.run == run for one in _read_entries(lines[first + 1 : last], but=""))


def _put(entry: _KeptEntry, text: str) -> str:
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


def _read_entries(lines: Iterable[str], *, but: str) -> Iterator[_KeptEntry]:
    """Yield each run's first entry that we could have written, without that of the run `but`."""
    seen = {but}
    for entry in _split(line.removesuffix("\r") for line in lines):
        if entry.run not in seen and len(entry.lines) > 1:
            seen.add(entry.run)
            yield entry


def _split(lines: Iterable[str]) -> Iterator[_KeptEntry]:
    """Yield the entries in the lines; lines that we could not have written are dropped.

    The text below hidden data is made anew from it. An entry of version 1 is kept as it is.
    """
    entry: _KeptEntry | None = None
    for line in lines:
        told = read_entry(line)
        run = told.run if told else memory_v1.read_heading(line)
        if run and entry:
            yield entry
        if told:
            yield _KeptEntry(run=run, lines=told.lines)
        if run:
            entry = None if told else _KeptEntry(run=run, lines=(line,))
        elif entry and memory_v1.is_of_entry(line):
            entry = replace(entry, lines=(*entry.lines, line))
    if entry:
        yield entry


def _bound(entries: Iterable[_KeptEntry]) -> Iterator[_KeptEntry]:
    """Yield the first entries, at most MOST_ENTRIES and MOST_BYTES."""
    room = MOST_BYTES - 2
    for entry in islice(entries, MOST_ENTRIES):
        room -= measure([*entry.lines, ""])
        if room < 0:
            return
        yield entry
