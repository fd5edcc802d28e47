"""All that the user sees: results on standard output, progress and errors on standard error."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

from concertmaster.core import breakdown, explanation, summary
from concertmaster.core.events import Event, PhaseFinished
from concertmaster.core.model import Plan
from concertmaster.core.narration import name_tasks, tell, train_status
from concertmaster.core.neutral import inert_log_line
from concertmaster.core.report import Report, TaskRow
from concertmaster.core.standing import COLUMNS, View, headline, row_of, tell_changes
from concertmaster.core.state import RunState, TaskRecord
from concertmaster.core.text import count, display, duration
from concertmaster.errors import Error

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
    "failed": "bold red",
}


class PlanForm(StrEnum):
    """How a plan is shown."""

    TABLE = "table"
    MERMAID = "mermaid"
    JSON = "json"


class Progress(Protocol):
    """Watches a run. `activity` may be called from any thread."""

    def update(self, state: RunState, event: Event) -> None:
        """The event happened and left the run in this state."""

    def activity(self, task: str, text: str) -> None:
        """What the task's agent does right now."""


class Onlooker(Protocol):
    """Watches a run on GitHub."""

    def show(self, view: View) -> None:
        """So the run stands now."""

    def note(self, text: str) -> None:
        """What the watching itself waits for."""


class Console:
    """One program's two streams. With `json`, stdout holds one document and progress is silent.

    `terminal` allows the live view and colours; a stream that is no terminal gets plain text.
    """

    def __init__(self, stdout: TextIO, stderr: TextIO, *, terminal: bool, json: bool) -> None:
        self._stdout = stdout
        self._stderr = stderr
        self._terminal = terminal
        self._json = json
        self._has_document = False
        self._redact: Callable[[str], str] = lambda text: text
        for stream in (stdout, stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")  # a narrow locale must not end a run

    def keep_secrets(self, redact: Callable[[str], str]) -> None:
        """From now on every line of text goes through this filter."""
        self._redact = redact

    def line(self, text: str) -> None:
        """One line of a result."""
        if not self._json:
            self._print(text, self._stdout)

    def note(self, text: str) -> None:
        """One line beside the result."""
        if not self._json:
            self._print(text, self._stderr)

    def _print(self, text: str, stream: TextIO) -> None:
        """A log of Actions would take `::` at the start of a line, and `##[` in it, as commands."""
        line = display(self._redact(text), limit=LONGEST_LINE)
        print(inert_log_line(line), file=stream, flush=True)

    def document(self, value: object) -> None:
        """The one JSON document of this invocation."""
        self._has_document = True
        print(json.dumps(value, indent=2), file=self._stdout, flush=True)

    def error(self, error: Error) -> None:
        """What happened, why, and what to do next."""
        parts = (("error", error.what), ("why", error.why), ("next", error.next_step))
        for word, text in parts:
            if text:
                self._print(f"{word}: {text}", self._stderr)
        if self._json and not self._has_document:
            told = {"what": error.what, "why": error.why, "next_step": error.next_step}
            self.document({"error": told})

    def show_plan(self, plan: Plan, *, form: PlanForm = PlanForm.TABLE) -> None:
        """The plan as a table with its reasons, as a picture, or as plan.json."""
        if self._json or form is PlanForm.JSON:
            self.document(asdict(plan))
        elif form is PlanForm.MERMAID:
            print(explanation.mermaid(plan), file=self._stdout, flush=True)
        else:
            columns = ("#", "task", "title", "estimate", "footprint", "waits for")
            self._table(columns, _plan_rows(plan))
            for text in explanation.describe_plan(plan):
                self.line(text)

    def explain(self, plan: Plan, a: str, *, b: str) -> None:
        """Why two tasks do or do not run together. Raises UsageError for an unknown task."""
        found = explanation.explain(plan, a, b)
        if self._json:
            self.document(asdict(found))
            return
        word = "may run" if found.together else "do not run"
        self.line(f"{found.tasks[0]} and {found.tasks[1]} {word} at the same time")
        for reason in found.reasons:
            self.line(f"  {reason}")

    def show_report(
        self, report: Report, folder: Path, *, is_full: bool = False, running: bool = False
    ) -> None:
        """The run's summary, where the whole report lies, and what to do next.

        Where it `is_full`, also what each phase took; `running` as for `show_status`.
        """
        if self._json:
            self.document({**asdict(report), "folder": str(folder)})
            return
        if is_full:
            self._table(breakdown.PHASE_COLUMNS, [*breakdown.phase_rows(report)])
            self._table(breakdown.TOTAL_COLUMNS, [*breakdown.total_rows(report)])
        self._show_summary(report)
        self.line(f"report: {folder / 'report.html'}")
        self._show_follow_ups(report, folder)
        self._show_next(report, running=running)

    def show_status(self, report: Report, folder: Path, *, running: bool) -> None:
        """Where a run stands; `running` says that a process works on it right now."""
        if self._json:
            self.document({**asdict(report), "folder": str(folder), "running": running})
            return
        self._show_summary(report)
        self.line(f"folder: {folder}")
        self._show_next(report, running=running)

    def result(self, text: str, document: object) -> None:
        """An answer, in words or as a document."""
        if self._json:
            self.document(document)
            return
        for line in text.splitlines():
            self.line(line)

    def show_runs(self, runs: Sequence[tuple[Report, bool]]) -> None:
        """Every run with whether a process works on it, oldest first."""
        if self._json:
            self.document([{**asdict(report), "running": running} for report, running in runs])
        elif runs:
            self._table(("run", "how it stands"), [_run_row(*run) for run in runs])
        else:
            self.line("there is no run in this repository yet")

    def show_view(self, view: View, *, now: float) -> None:
        """How a run on GitHub stands."""
        if self._json:
            seconds = view.elapsed_seconds(now)
            told = {"has_landed": view.has_landed, "elapsed_seconds": round(seconds, 1)}
            self.document({**asdict(view), **told})
            return
        self._table(COLUMNS, [row_of(task) for task in view.tasks])
        for text in headline(view, now):
            self.line(text)

    @contextmanager
    def watching(self, now: Callable[[], float]) -> Iterator[Onlooker]:
        """Shows a run on GitHub for as long as the context lasts; `now` is since the epoch."""
        if self._shows_colours(self._stderr):
            console = self._rich(self._stderr)
            screen = _Screen(console, now)
            with _live(console, screen):
                yield screen
        else:
            yield _Changes(self._tell)

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Tells of the run for as long as the context lasts."""
        if self._json:
            yield _Silence()
        elif self._shows_colours(self._stderr):
            console = self._rich(self._stderr)
            board = _Board(console)
            with _live(console, board):
                yield board
        else:
            yield _Lines(self._tell)

    def _tell(self, text: str) -> None:
        with suppress(OSError):  # a reader that went away does not end the run
            self.note(text)

    def _show_summary(self, report: Report) -> None:
        columns = ("task", "state", "attempts", "time", "cost", "what")
        self._table(columns, [_report_row(task, report) for task in report.tasks])
        self.line(summary.headline(report))
        for word, text in summary.facts(report):
            self.line(f"{word}: {text}")

    def _show_follow_ups(self, report: Report, folder: Path) -> None:
        if report.follow_ups:
            drafts = count(len(report.follow_ups), "draft")
            self.line(f"follow-ups: {drafts} in {folder / 'follow-ups'}")
        for draft in report.follow_ups:
            self.line(f"  {draft.file}: {draft.title} ({name_tasks(draft.tasks)})")

    def _show_next(self, report: Report, *, running: bool) -> None:
        if running:
            self.line("the run is going on")
        for step in () if running else report.next_steps:
            self.line(f"next: {step.text}")
            if step.command:
                self.line(f"      {step.command}")

    def _table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        if not rows:
            return
        if self._shows_colours(self._stdout):
            self._rich(self._stdout).print(_rich_table(columns, rows))
        else:
            for text in _plain_table([columns, *rows]):
                self._print(text, self._stdout)

    def _shows_colours(self, stream: TextIO) -> bool:
        return self._terminal and stream.isatty()

    def _rich(self, stream: TextIO) -> RichConsole:
        # Rich takes longer to load than most commands take to answer.
        from rich.console import Console as RichConsole  # noqa: PLC0415

        return RichConsole(file=stream, markup=False, emoji=False, highlight=False)


def _plan_rows(plan: Plan) -> list[tuple[str, ...]]:
    places = {task: place for place, task in enumerate(plan.order, 1)}
    return [
        (
            str(places.get(task.id, "")),
            task.id,
            display(task.title, limit=60),
            explanation.summarise_estimate(task),
            explanation.summarise_footprint(task),
            explanation.summarise_waiting(plan, task.id),
        )
        for task in sorted(plan.tasks, key=lambda task: places.get(task.id, 0))
    ]


def _run_row(report: Report, running: bool) -> tuple[str, ...]:
    told = summary.headline(report).removeprefix(f"run {report.run} ")
    return (report.run, "going on" if running else told)


def _report_row(task: TaskRow, report: Report) -> tuple[str, ...]:
    return (
        task.id,
        summary.say_state(task.state, report.ended),
        str(len(task.attempts)),
        duration(task.seconds),
        summary.cost(task.usage),
        display(task.reason or task.title, limit=100),
    )


def _plain_table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def _rich_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
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


class _Silence:
    """Nobody watches."""

    def update(self, state: RunState, event: Event) -> None:
        pass

    def activity(self, task: str, text: str) -> None:
        pass


class _Lines:
    """One line for each event worth telling, with the seconds since the first one."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._before: RunState | None = None
        self._began_at = 0.0

    def update(self, state: RunState, event: Event) -> None:
        if self._before is None:
            self._before, self._began_at = state, event.at
        for text in tell(self._before, state, event):
            self._write(f"{event.at - self._began_at:7.1f}s  {text}")
        self._before = state

    def activity(self, task: str, text: str) -> None:
        pass


@contextmanager
def _live(console: RichConsole, shown: RenderableType) -> Iterator[None]:
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


class _Board:
    """A table of what runs now; what is over scrolls away above it."""

    def __init__(self, console: RichConsole) -> None:
        self._console = console
        self._lock = threading.Lock()
        self._lines = _Lines(self._print)
        self._state: RunState | None = None
        self._since: dict[tuple[str, int], float] = {}
        self._activities: dict[str, str] = {}

    def update(self, state: RunState, event: Event) -> None:
        with self._lock:
            self._state = state
            running = [key for key, record in state.tasks.items() if record.is_busy]
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
        """Called by the live view for each refresh, in its own thread."""
        from rich.console import Group  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        with self._lock:
            state = self._state
            if state is None:
                return Group()
            rows = [self._row(record) for record in state.tasks.values() if record.is_busy]
        columns = ("task", "phase", "for", "last activity")
        lines = [Text(line, overflow="ellipsis", no_wrap=True) for line in _board_lines(state)]
        return Group(*([_rich_table(columns, rows)] if rows else []), *lines)

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
    tasks = state.tasks.values()
    busy = sum(record.is_busy for record in tasks)
    cost = f"; {summary.dollars(state.cost_usd)}" if state.cost_usd else ""
    states = summary.count_states(record.state for record in tasks)
    yield f"{states}; {busy} of {state.plan.slots} slots in use{cost}"
    yield f"train: {train_status(state)}"
    if state.paused_until:
        wait = duration(max(0.0, state.paused_until - time.time()))
        yield f"usage limit: the run goes on in {wait}"
    if state.throttled and not state.stopped:
        yield f"no room: {display(state.throttled)}"
    if state.stopped:
        yield f"no further agent starts: {display(state.stopped)}"


class _Changes:
    """One line for each change of a run on GitHub."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._before: View | None = None

    def show(self, view: View) -> None:
        for text in tell_changes(self._before, view):
            self._write(text)
        self._before = view

    def note(self, text: str) -> None:
        self._write(text)


class _Screen:
    """How a run on GitHub stands, drawn anew; the time runs on between two looks."""

    def __init__(self, console: RichConsole, now: Callable[[], float]) -> None:
        self._console = console
        self._now = now
        self._view: View | None = None

    def show(self, view: View) -> None:
        self._view = view

    def note(self, text: str) -> None:
        with suppress(OSError):
            self._console.print(display(text, limit=LONGEST_LINE), soft_wrap=True)

    def __rich__(self) -> Group:
        """Called by the live view for each refresh, in its own thread."""
        from rich.console import Group  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        view = self._view
        if view is None:
            return Group()
        lines = [
            Text(line, overflow="ellipsis", no_wrap=True) for line in headline(view, self._now())
        ]
        rows = [row_of(task) for task in view.tasks]
        return Group(*lines, *([_rich_table(COLUMNS, rows)] if rows else []))
