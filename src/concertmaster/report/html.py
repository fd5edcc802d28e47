"""Renders the report as one HTML page without scripts and without external resources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from concertmaster.model import Usage
from concertmaster.report import summary
from concertmaster.report.model import Report, TaskRow
from concertmaster.report.notice_lines import describe_notice
from concertmaster.report.plan_picture import draw_plan
from concertmaster.report.task_material import TaskMaterial
from concertmaster.text.display import display, display_block, duration, pair_up, shorten_id

if TYPE_CHECKING:
    from jinja2 import Template

MOST_NOTICES = 100  # on the page
NARROWEST_BAR = 0.4  # percent, as in the style of the page


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineBar:
    """A bar on the timeline; `left` and `width` are percent of the run.

    A `width` of 0 is drawn as the narrowest bar that can be seen, by the style of the page.
    `kind` is a phase, or for a check "green" or "red".
    """

    left: float
    width: float
    kind: str
    finished: bool
    title: str


def render_report(report: Report, material: Mapping[str, TaskMaterial] | None = None) -> str:
    """Return the report as one HTML page. `material` holds texts of tasks by their ids."""
    return _template().render(
        material=material or {},
        no_material=TaskMaterial(),
        report=report,
        headline=summary.headline(report),
        facts=tuple(summary.facts(report)),
        notices=[describe_notice(one) for one in report.foresight.notices[:MOST_NOTICES]],
        picture=draw_plan(report),
        lanes=[tuple(_phase_bars(report, task)) for task in report.tasks],
        check_bars=tuple(_check_bars(report)),
        no_usage=Usage(),
        pauses=tuple(_percent(report, pause.started_at) for pause in report.pauses),
    )


@cache
def _template() -> Template:
    # Slow to load: a run needs it at its end, and should not wait for it before agents start.
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "pair_up": pair_up,
        "display": display,
        "block": display_block,
        "duration": duration,
        "moment": _moment,
        "say_row": summary.say_row,
        "say_state": summary.say_state,
        "short": shorten_id,
        "cost": summary.cost,
    }
    source = resources.files("concertmaster").joinpath("templates", "report.html")
    return environment.from_string(source.read_text(encoding="utf-8"))


def _moment(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _phase_bars(report: Report, task: TaskRow) -> Iterator[TimelineBar]:
    again = len(task.attempts) > 1
    for attempt in task.attempts:
        for row in attempt.phases:
            failed = "" if row.finished else ", did not pass"
            left, width = _place(report, row.started_at, row.ended_at)
            words = f"attempt {attempt.number}: {row.phase}" if again else row.phase
            yield TimelineBar(
                left=left,
                width=width,
                kind=row.phase,
                finished=row.finished,
                title=f"{words}, {duration(row.seconds)}{failed}",
            )


def _check_bars(report: Report) -> Iterator[TimelineBar]:
    for row in report.checks.rows:
        if not row.cached:
            verdict = "green" if row.passed else "red"
            left, width = _place(report, row.at - row.seconds, row.at)
            yield TimelineBar(
                left=left,
                width=width,
                kind=verdict,
                finished=row.passed,
                title=f"{', '.join(row.tasks) or 'target'}: {verdict}, {duration(row.seconds)}",
            )


def _place(report: Report, start: float, end: float) -> tuple[float, float]:
    """Return the left edge and the width of a bar, in percent."""
    left = _percent(report, start)
    width = round(_percent(report, end) - left, 2)
    return left, width if width > NARROWEST_BAR else 0.0


def _percent(report: Report, at: float) -> float:
    """Return the position of a moment on the timeline, from which pauses are cut out."""
    paused = sum(max(0.0, min(p.ended_at, at) - p.started_at) for p in report.pauses)
    share = (at - report.started_at - paused) / (report.wall_seconds or 1.0)
    return round(100 * min(max(share, 0.0), 1.0), 2)
