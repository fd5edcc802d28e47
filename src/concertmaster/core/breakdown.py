"""What each phase took, as tables: the same on a terminal and in the summary of a job."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from concertmaster.core import summary
from concertmaster.core.model import Usage
from concertmaster.core.neutral import as_cell
from concertmaster.core.report import Report
from concertmaster.core.text import count, display, took

PHASE_COLUMNS = ("task", "attempt", "phase", "time", "cost", "tokens in", "out", "session")
TOTAL_COLUMNS = ("phase", "ran", "passed", "time", "cost", "tokens in", "out")
MOST_ROWS = 300  # in the summary of a job


def phase_rows(report: Report) -> Iterator[tuple[str, ...]]:
    """One row for each phase that ran."""
    for task in report.tasks:
        for attempt in task.attempts:
            for row in attempt.phases:
                yield (
                    task.id,
                    str(attempt.number),
                    row.phase if row.finished else f"{row.phase} (did not pass)",
                    took(row.seconds, row.setup_seconds),
                    *_usage(row.usage),
                    display(row.session, limit=40),
                )


def total_rows(report: Report) -> Iterator[tuple[str, ...]]:
    """One row for each phase over the whole run."""
    for total in report.phases:
        numbers = (str(total.times), str(total.passed))
        time = took(total.seconds, total.setup_seconds)
        yield (total.phase, *numbers, time, *_usage(total.usage))


def _usage(usage: Usage) -> tuple[str, ...]:
    tokens = (usage.input_tokens, usage.output_tokens)
    return (summary.cost(usage), *(f"{number:,}" if number else "" for number in tokens))


def breakdown_markdown(report: Report) -> str:
    """Both tables for the page of a job, "" where nothing ran. Nothing in them acts."""
    rows = [*phase_rows(report)]
    if not rows:
        return ""
    more = len(rows) - MOST_ROWS
    return "\n".join(
        [
            "### What each phase took",
            "",
            *_table(TOTAL_COLUMNS, [*total_rows(report)]),
            "",
            *_table(PHASE_COLUMNS, rows[:MOST_ROWS]),
            *(["", f"and {count(more, 'row')} more in report.html"] if more > 0 else []),
        ]
    )


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield "|---" * len(columns) + "|"
    yield from (f"| {' | '.join(map(as_cell, row))} |" for row in rows)
