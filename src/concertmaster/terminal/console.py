"""Prints results on standard output, and progress and errors on standard error."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from concertmaster.errors import Error
from concertmaster.model import Plan
from concertmaster.planning import explain, predicted_schedule
from concertmaster.report import summary
from concertmaster.report.github_run import COLUMNS, RunView, view_headline, view_row
from concertmaster.report.model import Report, TaskRow
from concertmaster.report.notice_lines import FORESIGHT_COLUMNS, foresight_rows
from concertmaster.report.progress import ProgressListener
from concertmaster.report.progress_lines import name_tasks
from concertmaster.report.run_end import RunEnd
from concertmaster.terminal.layout import align, lay_out, wrap_line
from concertmaster.terminal.live import (
    LONGEST_LINE,
    Board,
    Changes,
    Lines,
    Screen,
    Silence,
    WatchView,
    beating,
    show_live,
    style_of,
)
from concertmaster.text.display import count, display, duration, leave_out_empty
from concertmaster.text.markdown import inert_log_line

if TYPE_CHECKING:
    from rich.console import Console as RichConsole


_COMMAND_INDENT = "      "
_USUAL_WIDTH = 80


class PlanForm(StrEnum):
    """The form in which a plan is shown."""

    TABLE = "table"
    MERMAID = "mermaid"
    GANTT = "gantt"
    JSON = "json"


class Console:
    """The two output streams of the program.

    With `json`, standard output gets one JSON document and progress is silent. `terminal` permits
    colours and the live view; a stream that is no terminal gets plain text.
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
                stream.reconfigure(errors="replace")  # a locale without Unicode must not end a run

    def keep_secrets(self, redact: Callable[[str], str]) -> None:
        """Filter every later line of text with `redact`."""
        self._redact = redact

    def line(self, text: str) -> None:
        """Print one line of a result, unless a document is asked for."""
        if not self._json:
            self._print(text, self._stdout)

    def note(self, text: str) -> None:
        """Print one line on standard error, unless a document is asked for."""
        if not self._json:
            self._print(text, self._stderr)

    def _print(self, text: str, stream: TextIO) -> None:
        """Print one safe line.

        Its output may be a log of Actions, so workflow commands in it are defused.
        """
        line = inert_log_line(display(self._redact(text), limit=LONGEST_LINE))
        # A command is for copying, so it stays one line.
        is_whole = line.startswith(_COMMAND_INDENT) or not self._shows_colours(stream)
        for part in [line] if is_whole else wrap_line(line, width=_width_of(stream)):
            print(part, file=stream, flush=True)

    def script(self, text: str) -> None:
        """Print a text of our own as it is, for a program to read."""
        print(text, file=self._stdout, flush=True)

    def document(self, value: object) -> None:
        """Print the JSON document of this invocation."""
        self._has_document = True
        print(json.dumps(value, indent=2), file=self._stdout, flush=True)

    def error(self, error: Error) -> None:
        """Print what happened, why, and what to do next.

        With `json`, the error is also the document, if there is none yet.
        """
        parts = (("error", error.what), ("why", error.why), ("next", error.next_step))
        for word, text in parts:
            if text:
                self._print(f"{word}: {text}", self._stderr)
        if self._json and not self._has_document:
            told = {"what": error.what, "why": error.why, "next_step": error.next_step}
            self.document({"error": told})

    def show_plan(
        self, plan: Plan, *, form: PlanForm = PlanForm.TABLE, is_whole: bool = False
    ) -> None:
        """Print the plan as a table with reasons, as a diagram, or as plan.json.

        With `is_whole` the table is followed by the predicted schedule and the conflict matrix.
        """
        if self._json or form is PlanForm.JSON:
            self.document(predicted_schedule.dump_plan(plan))
        elif form is not PlanForm.TABLE:
            draw = explain.mermaid if form is PlanForm.MERMAID else predicted_schedule.draw_gantt
            print(draw(plan), file=self._stdout, flush=True)
        else:
            self._table(explain.PLAN_COLUMNS, explain.plan_rows(plan))
            drawn = predicted_schedule.draw(plan) if is_whole else ()
            for text in (*explain.describe_plan(plan), *drawn):
                self.line(text)

    def explain(self, plan: Plan, a: str, *, b: str) -> None:
        """Print why tasks `a` and `b` may or may not run at the same time.

        Raises UsageError for an unknown task.
        """
        found = explain.explain(plan, a, b)
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
        """Print the run's summary, the place of the whole report, and the next steps.

        With `is_full`, also print the time and cost of each phase. `running` says that a process
        works on the run now; then no next steps are given.
        """
        if self._json:
            self.document({**asdict(report), "folder": str(folder)})
            return
        if is_full:
            self._table(summary.PHASE_COLUMNS, [*summary.phase_rows(report)])
            self._table(summary.TOTAL_COLUMNS, [*summary.total_rows(report)])
            self._table(FORESIGHT_COLUMNS, [*foresight_rows(report)])
        self._show_summary(report, running=running)
        self.line(f"report: {folder / 'report.html'}")
        self._show_follow_ups(report, folder)
        self._show_next(report, running=running)

    def show_status(self, report: Report, folder: Path, *, running: bool) -> None:
        """Print the state of a run.

        `running` says that a process works on it now; then no next steps are given.
        """
        if self._json:
            self.document({**asdict(report), "folder": str(folder), "running": running})
            return
        self._show_summary(report, running=running)
        self.line(f"folder: {folder}")
        self._show_next(report, running=running)

    def result(self, text: str, document: object) -> None:
        """Print an answer: the lines of `text`, or with `json` the document."""
        if self._json:
            self.document(document)
            return
        for line in text.splitlines():
            self.line(line)

    def show_runs(
        self, runs: Sequence[tuple[Report, bool]], unreadable: Sequence[tuple[str, Error]] = ()
    ) -> None:
        """Print each run, given with whether a process works on it, oldest first.

        Runs that cannot be read are given by name, with the reason.
        """
        if self._json:
            found = [{**asdict(report), "running": running} for report, running in runs]
            told = [{"run": name, "fault": one.what, "why": one.why} for name, one in unreadable]
            self.document([*found, *told])
            return
        if runs:
            self._table(("run", "how it stands"), [_run_row(*run) for run in runs])
        elif not unreadable:
            self.line("there is no run in this repository yet")
        for name, error in unreadable:
            self.line(f"{name}: {error.what} ({error.why})")
            self.line(f"next: {error.next_step}")

    def show_view(self, view: RunView, *, now: float) -> None:
        """Print the state of a run on GitHub. `now` is in seconds since the epoch."""
        if self._json:
            seconds = view.elapsed_seconds(now)
            told = {"has_landed": view.has_landed, "elapsed_seconds": round(seconds, 1)}
            self.document({**asdict(view), **told})
            return
        self._table(COLUMNS, [view_row(task) for task in view.tasks])
        for text in view_headline(view, now):
            self.line(text)

    @contextmanager
    def watching(self, now: Callable[[], float]) -> Iterator[WatchView]:
        """Show a run on GitHub for as long as the context lasts.

        `now` returns seconds since the epoch.
        """
        if self._shows_colours(self._stderr):
            console = self._rich(self._stderr)
            screen = Screen(console, now)
            with show_live(console, screen):
                yield screen
        else:
            yield Changes(self._tell)

    @contextmanager
    def progress(self) -> Iterator[ProgressListener]:
        """Show the progress of a run for as long as the context lasts."""
        if self._json:
            yield Silence()
            return
        console = self._rich(self._stderr) if self._shows_colours(self._stderr) else None
        if console and not console.is_dumb_terminal:
            board = Board(console)
            with show_live(console, board):
                yield board
            return
        lines = Lines(self._tell)
        with beating(lines):
            yield lines

    def _tell(self, text: str) -> None:
        with suppress(OSError):  # a closed pipe must not end the run
            self.note(text)

    def _show_summary(self, report: Report, *, running: bool) -> None:
        is_dead = report.ended is RunEnd.UNFINISHED and not running
        columns = ("task", "state", "attempts", "time", "cost", "what")
        shared = summary.shared_reasons(report)
        told = {*shared, report.reason}
        rows = [_report_row(task, report, told, is_dead=is_dead) for task in report.tasks]
        self._table(columns, rows)
        for reason, number in shared.items():
            if reason == report.reason:  # the headline tells it
                continue
            self.line(f"{count(number, 'task')}: {display(reason, limit=300)}")
        self.line(summary.headline(report, is_dead=is_dead))
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
        columns, rows = leave_out_empty(columns, rows)
        if not self._shows_colours(self._stdout):
            for text in align([columns, *rows]):
                self._print(text, self._stdout)
            return
        # Imported here because Rich takes longer to load than most commands take to run.
        from rich.text import Text  # noqa: PLC0415

        console = self._rich(self._stdout)
        states = {row[columns.index("state")] for row in rows} if "state" in columns else set()
        for text in lay_out(columns, rows, width=console.size.width):
            line = Text(text)
            for state in states:
                line.highlight_regex(rf"(?<=  ){re.escape(state)}(?=  |$)", style_of(state))
            console.print(line, soft_wrap=True)

    def _shows_colours(self, stream: TextIO) -> bool:
        return self._terminal and stream.isatty()

    def _rich(self, stream: TextIO) -> RichConsole:
        # Rich takes longer to load than most commands take to run.
        from rich.console import Console as RichConsole  # noqa: PLC0415

        return RichConsole(file=stream, markup=False, emoji=False, highlight=False)


def _run_row(report: Report, running: bool) -> tuple[str, ...]:
    is_dead = report.ended is RunEnd.UNFINISHED and not running
    told = summary.headline(report, is_dead=is_dead).removeprefix(f"run {report.run} ")
    return (report.run, "going on" if running else told)


def _report_row(
    task: TaskRow, report: Report, told: Collection[str], *, is_dead: bool
) -> tuple[str, ...]:
    reason = "" if task.reason in told else task.reason
    return (
        task.id,
        summary.say_row(task, report.ended, is_dead=is_dead),
        str(len(task.attempts)),
        duration(task.seconds),
        summary.cost(task.usage),
        display(reason or task.title, limit=100),
    )


def _width_of(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or _USUAL_WIDTH
    except (OSError, ValueError):
        return _USUAL_WIDTH
