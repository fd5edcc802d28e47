"""Makes the entry of one run in Memory.md from values, and reads them back from its hidden data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import accumulate, takewhile
from string import ascii_letters, digits, hexdigits
from typing import Any

from concertmaster.comments.task_words import read_clock, say_cost
from concertmaster.model import TaskState, Usage
from concertmaster.report.model import Report, TaskRow
from concertmaster.report.summary import say_state
from concertmaster.rounds.history import History, TaskHistory
from concertmaster.text.display import count, duration, shorten_id
from concertmaster.text.markdown import as_line
from concertmaster.text.marks import data_comment, read_data
from concertmaster.text.object_ids import is_object_id

KIND = "memory"
VERSION = 2
LARGEST_ENTRY = 20_000  # bytes

_LONGEST_TEXT = 2000  # characters of a title and a reason
_LONGEST_NAME = 100
_LARGEST_NUMBER = 10**15
_NAME_CHARACTERS = {*ascii_letters, *digits, *"._-"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryTask:
    """A task in an entry; `text` is one line of Markdown, `commit` a short id or ""."""

    state: TaskState
    pull: int = 0
    commit: str = ""
    text: str

    @property
    def row(self) -> list[object]:
        """The task in the hidden data."""
        return [self.state, self.pull, self.commit, self.text]

    @property
    def size(self) -> int:
        """The bytes that the task adds to an entry, in the list and in the hidden data."""
        # Two hyphens take six characters in the data, and a comma goes before the row.
        data = json.dumps(self.row)
        return measure([self.line]) + len(data) + 5 * data.count("--") + 1

    @property
    def line(self) -> str:
        """The task as a list item."""
        pull = f" #{self.pull}" if self.pull else ""
        commit = f" {self.commit}" if self.commit else ""
        return f"- {say_state(self.state)}{pull}{commit}: {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryEntry:
    """The entry of one run: all its text is made of these values.

    `day` is an ISO date. `tasks` are the first ones of `number`. `cost_usd` is None if no agent
    reported it, and `is_whole` says whether all did.
    """

    run: str
    day: str
    parent: int = 0
    landed: int
    number: int
    seconds: float
    cost_usd: float | None
    is_estimated: bool
    is_whole: bool
    tasks: tuple[MemoryTask, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """The hidden data, the heading and the lines below it."""
        parent = f" (#{self.parent})" if self.parent else ""
        cost = say_cost(
            Usage(cost_usd=self.cost_usd, is_estimated=self.is_estimated), is_whole=self.is_whole
        )
        landed = f"{self.landed} of {count(self.number, 'task')}"
        more = self.number - len(self.tasks)
        return (
            self._data,
            f"### {self.day} {self.run}{parent}",
            f"- {landed} landed; agents worked {duration(self.seconds)}, {cost}",
            *(one.line for one in self.tasks),
            *([f"- and {count(more, 'more task')}"] if more > 0 else []),
        )

    @property
    def _data(self) -> str:
        told = {
            "run": self.run,
            "day": self.day,
            "parent": self.parent,
            "landed": self.landed,
            "number": self.number,
            "seconds": self.seconds,
            "cost": [self.cost_usd, self.is_estimated, self.is_whole],
            "tasks": [one.row for one in self.tasks],
        }
        return data_comment(told, kind=KIND, version=VERSION)


def make_entry(history: History, *, at: int) -> MemoryEntry:
    """Return the entry of the run, dated `at` (epoch seconds), with the first tasks that fit."""
    tasks = history.tasks.values()
    usages = [one.usage for one in tasks if one.attempts]
    usage = sum(usages, start=Usage())
    entry = MemoryEntry(
        run=history.run,
        day=f"{read_clock(at):%Y-%m-%d}",
        parent=max(history.parent, 0),
        landed=sum(one.state is TaskState.LANDED for one in tasks),
        number=len(tasks),
        seconds=_bound(sum(one.seconds for one in tasks)),
        cost_usd=None if usage.cost_usd is None else _bound(usage.cost_usd),
        is_estimated=usage.is_estimated,
        is_whole=all(one.cost_usd is not None for one in usages),
    )
    return _fill(entry, [*map(_make_task, tasks)])


def make_report_entry(report: Report) -> MemoryEntry:
    """Return the entry of a run on one machine, with the first tasks that fit."""
    usages = [task.usage for task in report.tasks if task.attempts]
    usage = sum(usages, start=Usage())
    entry = MemoryEntry(
        run=report.run,
        day=f"{read_clock(int(report.started_at)):%Y-%m-%d}",
        landed=sum(task.state is TaskState.LANDED for task in report.tasks),
        number=len(report.tasks),
        seconds=_bound(sum(task.seconds for task in report.tasks)),
        cost_usd=None if usage.cost_usd is None else _bound(usage.cost_usd),
        is_estimated=usage.is_estimated,
        is_whole=all(one.cost_usd is not None for one in usages),
    )
    return _fill(entry, [*map(_make_report_task, report.tasks)])


def _make_report_task(task: TaskRow) -> MemoryTask:
    has_landed = task.state is TaskState.LANDED and is_object_id(task.head)
    title = as_line(task.title, limit=80) or as_line(task.id)
    reason = as_line("" if has_landed else task.reason, limit=160)
    return MemoryTask(
        state=task.state,
        commit=shorten_id(task.head) if has_landed else "",
        text=as_line(f"{title}; {reason}" if reason else title, limit=_LONGEST_TEXT),
    )


def _bound(amount: float) -> float:
    return float(min(amount, _LARGEST_NUMBER))


def _fill(entry: MemoryEntry, tasks: Sequence[MemoryTask]) -> MemoryEntry:
    """Return the entry with the first tasks that fit into it."""
    sizes = accumulate((one.size for one in tasks), initial=measure(entry.lines))
    fitting = sum(1 for _ in takewhile(LARGEST_ENTRY.__ge__, sizes)) - 1
    return replace(entry, tasks=tuple(tasks[:fitting]))


def _make_task(one: TaskHistory) -> MemoryTask:
    title = as_line(one.title, limit=80) or as_line(one.task)
    reason = as_line("" if one.is_done else one.reason, limit=160)
    return MemoryTask(
        state=one.state,
        pull=max(one.pull, 0),
        commit=shorten_id(one.landed_as) if is_object_id(one.landed_as) else "",
        text=as_line(f"{title}; {reason}" if reason else title, limit=_LONGEST_TEXT),
    )


def read_entry(line: str) -> MemoryEntry | None:
    """Return the entry whose hidden data the line is; None if it is none that we could write."""
    match read_data(line, kind=KIND, version=VERSION):
        case {
            "run": str(run),
            "day": str(day),
            "parent": parent,
            "landed": landed,
            "number": number,
            "seconds": seconds,
            "cost": [cost_usd, bool(is_estimated), bool(is_whole)],
            "tasks": [*rows],
        }:
            tasks = [*map(_read_task, rows)]
            counts = (parent, landed, number)
            amounts = [seconds] if cost_usd is None else [seconds, cost_usd]
            if not (_is_name(run) and _is_day(day) and _are(int, counts) and _are(float, amounts)):
                return None
            return MemoryEntry(
                run=run,
                day=day,
                parent=parent,
                landed=landed,
                number=number,
                seconds=seconds,
                cost_usd=cost_usd,
                is_estimated=is_estimated,
                is_whole=is_whole,
                tasks=tuple(one for one in tasks if one),
            )
        case _:
            return None


def _read_task(row: object) -> MemoryTask | None:
    match row:
        case [str(state), int(pull), str(commit), str(text)]:
            is_ours = state in [*TaskState] and _are(int, [pull]) and _is_short_id(commit)
            if is_ours and text and as_line(text, limit=_LONGEST_TEXT) == text:
                return MemoryTask(state=TaskState(state), pull=pull, commit=commit, text=text)
            return None
        case _:
            return None


def _are(kind: type[float], values: Iterable[Any]) -> bool:
    """Return whether the values are finite numbers of this kind that a run can have."""
    return all(type(value) is kind and 0 <= value <= _LARGEST_NUMBER for value in values)


def _is_name(text: str) -> bool:
    """Return whether the text can be the id of a run."""
    is_short = 0 < len(text) <= _LONGEST_NAME
    return is_short and text[0].isalnum() and set(text) <= _NAME_CHARACTERS


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _is_short_id(text: str) -> bool:
    return not text or (len(text) == 7 and set(text) <= set(hexdigits.lower()))


def measure(lines: Iterable[str]) -> int:
    """Return the size of the lines in bytes, with Windows line breaks."""
    return sum(len(line.encode()) + 2 for line in lines)
