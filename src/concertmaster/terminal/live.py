"""Shows the progress of a run while it goes on, as a live table or line by line."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol

from concertmaster.events import Event, PhaseFinished
from concertmaster.report import summary
from concertmaster.report.github_run import COLUMNS, RunView, tell_changes, view_headline, view_row
from concertmaster.report.progress_lines import progress_lines, train_status
from concertmaster.run.state import RunState
from concertmaster.run.task_record import TaskRecord
from concertmaster.text.display import display, duration

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.console import Group, RenderableType
    from rich.table import Table


REFRESHES_PER_SECOND = 4
LONGEST_LINE = 2000
_STATE_STYLES = {
    "running": "cyan",
    "begun": "cyan",
    "succeeded": "green",
    "landed": "bold green",
    "awaiting merge": "yellow",
    "blocked": "magenta",
    "left out": "yellow",
    "cancelled": "yellow",
    "interrupted": "yellow",
    "nothing to change": "green",
    "failed": "bold red",
}


class WatchView(Protocol):
    """A view of a run on GitHub."""

    def show(self, view: RunView) -> None:
        """Show the present state of the run."""

    def note(self, text: str) -> None:
        """Show why the next look at GitHub has to wait."""


def rich_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Return a table that colours the cells of the column `state`."""
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=column in ("task", "state"), overflow="fold")
    for row in rows:
        cells = zip(columns, row, strict=True)
        styles = (_STATE_STYLES.get(cell, "") if name == "state" else "" for name, cell in cells)
        table.add_row(*(Text(cell, style=style) for cell, style in zip(row, styles, strict=True)))
    return table


class Silence:
    """A view that shows nothing."""

    def update(self, state: RunState, event: Event) -> None:
        pass

    def activity(self, task: str, text: str) -> None:
        pass


class Lines:
    """A view that writes lines for each event, with the seconds since the first one."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._before: RunState | None = None
        self._began_at = 0.0

    def update(self, state: RunState, event: Event) -> None:
        if self._before is None:
            self._before, self._began_at = state, event.at
        for text in progress_lines(self._before, state, event):
            self._write(f"{event.at - self._began_at:7.1f}s  {text}")
        self._before = state

    def activity(self, task: str, text: str) -> None:
        pass


@contextmanager
def show_live(console: RichConsole, shown: RenderableType) -> Iterator[None]:
    """Draw `shown` again and again for as long as the context lasts."""
    from rich.live import Live  # noqa: PLC0415

    with Live(
        shown,
        console=console,
        refresh_per_second=REFRESHES_PER_SECOND,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ):
        yield


class Board:
    """A view that draws a table of the running tasks; finished work scrolls away above it."""

    def __init__(self, console: RichConsole) -> None:
        self._console = console
        self._lock = threading.Lock()
        self._lines = Lines(self._print)
        self._state: RunState | None = None
        self._since: dict[tuple[str, int], float] = {}
        self._activities: dict[str, str] = {}

    def update(self, state: RunState, event: Event) -> None:
        with self._lock:
            self._state = state
            running = state.tasks.running
            now = time.monotonic()
            attempts = ((key, len(state.tasks[key].attempts)) for key in running)
            self._since = {key: self._since.get(key, now) for key in attempts}
            self._activities = {k: v for k, v in self._activities.items() if k in running}
        if isinstance(event, PhaseFinished) and event.task in running:
            return  # the table shows the next phase
        self._lines.update(state, event)

    def activity(self, task: str, text: str) -> None:
        with self._lock:
            self._activities[task] = display(text, limit=120)

    def _print(self, text: str) -> None:
        with suppress(OSError):
            self._console.print(text, soft_wrap=True)

    def __rich__(self) -> Group:
        """Return the table and its lines. The live view calls this in its own thread."""
        from rich.console import Group  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        with self._lock:
            state = self._state
            if state is None:
                return Group()
            keys = state.tasks.in_order(state.tasks.running)
            rows = [self._row(state.tasks[key]) for key in keys]
        columns = ("task", "phase", "for", "last activity")
        lines = [Text(line, overflow="ellipsis", no_wrap=True) for line in _board_lines(state)]
        return Group(*([rich_table(columns, rows)] if rows else []), *lines)

    def _row(self, record: TaskRecord) -> tuple[str, ...]:
        key, number = record.task.id, len(record.attempts)
        phase = record.attempt.asked if record.attempt else None
        again = f" (attempt {number})" if number > 1 else ""
        seconds = time.monotonic() - self._since.get((key, number), time.monotonic())
        return (
            key,
            f"{phase or 'paused'}{again}",
            duration(seconds),
            self._activities.get(key, ""),
        )


def _board_lines(state: RunState) -> Iterator[str]:
    busy = len(state.tasks.running)
    cost = f"; {summary.dollars(state.cost_usd)}" if state.cost_usd else ""
    states = summary.count_states(state.tasks.counts)
    yield f"{states}; {busy} of {state.plan.slots} slots in use{cost}"
    yield f"train: {train_status(state)}"
    if state.paused_until:
        wait = duration(max(0.0, state.paused_until - time.time()))
        yield f"usage limit: the run goes on in {wait}"
    if state.throttled and not state.stopped:
        yield f"no room: {display(state.throttled)}"
    if state.stopped:
        yield f"no further agent starts: {display(state.stopped)}"


class Changes:
    """A view of a run on GitHub that writes one line for each change."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._before: RunView | None = None

    def show(self, view: RunView) -> None:
        for text in tell_changes(self._before, view):
            self._write(text)
        self._before = view

    def note(self, text: str) -> None:
        self._write(text)


class Screen:
    """A view that draws the state of a run on GitHub; its clock runs between two looks."""

    def __init__(self, console: RichConsole, now: Callable[[], float]) -> None:
        self._console = console
        self._now = now
        self._view: RunView | None = None

    def show(self, view: RunView) -> None:
        self._view = view

    def note(self, text: str) -> None:
        with suppress(OSError):
            self._console.print(display(text, limit=LONGEST_LINE), soft_wrap=True)

    def __rich__(self) -> Group:
        """Return the lines and the table. The live view calls this in its own thread."""
        from rich.console import Group  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        view = self._view
        if view is None:
            return Group()
        lines = [
            Text(line, overflow="ellipsis", no_wrap=True)
            for line in view_headline(view, self._now())
        ]
        rows = [view_row(task) for task in view.tasks]
        return Group(*lines, *([rich_table(COLUMNS, rows)] if rows else []))
