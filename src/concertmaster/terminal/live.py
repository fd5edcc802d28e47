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
from concertmaster.report.progress_lines import progress_lines
from concertmaster.report.waiting import describe_waiting
from concertmaster.run.state import RunState
from concertmaster.run.task_record import TaskRecord
from concertmaster.terminal.layout import align, crop, shorten_name, wrap_line
from concertmaster.terminal.step_clock import StepClock, name_phase
from concertmaster.text.display import display, duration

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.console import Group, RenderableType
    from rich.table import Table


REFRESHES_PER_SECOND = 4
BEAT_SECONDS = 60.0
MOST_WAITING = 3  # lines about waiting tasks
_LINES_BELOW = 12  # lines of a terminal that are not for running tasks
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


def style_of(state: str) -> str:
    """Return the style of a state in words, "" if it has none."""
    return _STATE_STYLES.get(state, "")


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

    def notice(self, text: str) -> None:
        pass


class Lines:
    """A view that writes lines for each event, with the seconds since the first one.

    `beat` writes a sign of life after a minute without a line. `now` is in epoch seconds.
    """

    def __init__(
        self, write: Callable[[str], None], *, now: Callable[[], float] = time.time
    ) -> None:
        self._write = write
        self._now = now
        self._lock = threading.Lock()
        self._before: RunState | None = None
        self._began_at = 0.0
        self._told_at = 0.0
        self._clock = StepClock()

    def update(self, state: RunState, event: Event) -> None:
        with self._lock:
            if self._before is None:
                self._before, self._began_at, self._told_at = state, event.at, self._now()
            for text in progress_lines(self._before, state, event):
                self._tell(text, at=event.at)
            self._before = state
            self._clock.update(state, now=self._now())

    def activity(self, task: str, text: str) -> None:
        pass

    def notice(self, text: str) -> None:
        self._write(text)

    def beat(self) -> None:
        """Write what runs now, if no line was written for a minute."""
        with self._lock:
            now = self._now()
            if self._before is None or now - self._told_at < BEAT_SECONDS:
                return
            running = ", ".join(self._clock.describe(self._before, now=now))
            queue = self._clock.describe_queue(self._before, now=now)
            self._tell(
                "; ".join(filter(None, [f"still running: {running}" * bool(running), queue]))
            )

    def _tell(self, text: str, *, at: float = 0.0) -> None:
        self._told_at = self._now()
        self._write(f"{(at or self._told_at) - self._began_at:7.1f}s  {text}")


@contextmanager
def beating(lines: Lines) -> Iterator[None]:
    """Let the lines show a sign of life each minute for as long as the context lasts."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(1.0):
            lines.beat()

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


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
    """A view that draws the running tasks; finished work scrolls away above them."""

    def __init__(self, console: RichConsole) -> None:
        self._console = console
        self._lock = threading.Lock()
        self._lines = Lines(self._print)
        self._state: RunState | None = None
        self._clock = StepClock()
        self._activities: dict[str, str] = {}

    def update(self, state: RunState, event: Event) -> None:
        with self._lock:
            self._state = state
            running = state.tasks.running
            # The last activity belongs to the present phase of the present attempt.
            self._activities = {
                key: text
                for key, text in self._activities.items()
                if key in running and not self._clock.is_new(state.tasks[key])
            }
            self._clock.update(state, now=time.monotonic())
        if isinstance(event, PhaseFinished) and event.task in running:
            return  # the table shows the next phase
        self._lines.update(state, event)

    def activity(self, task: str, text: str) -> None:
        with self._lock:
            self._activities[task] = display(text, limit=120)

    def notice(self, text: str) -> None:
        self._print(text)

    def _print(self, text: str) -> None:
        width = self._console.size.width
        with suppress(OSError):
            for line in wrap_line(text, width=width):
                self._console.print(line, soft_wrap=True)

    def __rich__(self) -> Group:
        """Return the lines of the board. The live view calls this in its own thread."""
        from rich.console import Group  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        with self._lock:
            state = self._state
            if state is None:
                return Group()
            lines = self._draw(state, width=self._console.size.width)
        # A line of the full width would make some terminals break it.
        room = max(3, self._console.size.height - 1)
        return Group(*(Text(line, overflow="ellipsis", no_wrap=True) for line in lines[-room:]))

    def _draw(self, state: RunState, *, width: int) -> list[str]:
        now = time.monotonic()
        records = [state.tasks[key] for key in state.tasks.in_order(state.tasks.running)]
        most = max(1, self._console.size.height - _LINES_BELOW)
        rows = [self._row(record, now=now, width=width) for record in records[:most]]
        table = [*align([("task", "phase", "for", "last activity"), *rows])] if rows else []
        more = [f"and {len(records) - most} more running"] if len(records) > most else []
        tail = _board_lines(state, queue=self._clock.describe_queue(state, now=now))
        return [crop(line, width=width - 1) for line in (*table, *more, *tail)]

    def _row(self, record: TaskRecord, *, now: float, width: int) -> tuple[str, ...]:
        key = record.task.id
        return (
            shorten_name(key, limit=max(20, width // 3)),
            name_phase(record),
            duration(self._clock.seconds(record, now=now)),
            self._activities.get(key, ""),
        )


def _board_lines(state: RunState, *, queue: str) -> Iterator[str]:
    busy = len(state.tasks.running)
    cost = f"; {summary.dollars(state.cost_usd)}" if state.cost_usd else ""
    states = summary.count_states(state.tasks.counts)
    yield f"{states}; {busy} of {state.plan.slots} slots in use{cost}"
    yield queue
    yield from describe_waiting(state, most=MOST_WAITING)
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
