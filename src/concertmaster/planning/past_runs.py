"""Reads the times and costs of past tasks from the reports in the folders of their runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from concertmaster.errors import EnvironmentFault
from concertmaster.files import run_folder, untrusted
from concertmaster.model import REPORT_VERSION, TaskState, Usage
from concertmaster.planning.estimates import MOST_SAMPLES, Profile, Sample, has_worked

MOST_RUNS = 40  # that are read, so that runs without samples do not slow planning down


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """The fields of a task in report.json that estimates use."""

    state: TaskState
    head: str
    profile: Profile
    seconds: float
    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    """The fields of report.json that estimates use."""

    version: int
    run: str
    ended_at: float
    slots: int = 0
    tasks: tuple[_Row, ...]


def read_past(git_dir: Path) -> tuple[Sample, ...]:
    """Return samples from the newest runs of this repository, the newest run first.

    Reading ends with the run that completes MOST_SAMPLES samples. Runs without a readable report
    are skipped.
    """
    found: list[Sample] = []
    runs = run_folder.list_runs(run_folder.runs_folder(git_dir))
    for folder in reversed(runs[-MOST_RUNS:]):
        found.extend(_read_run(folder))
        if len(found) >= MOST_SAMPLES:
            break
    return tuple(found)


def _read_run(folder: Path) -> Iterator[Sample]:
    try:
        report = untrusted.read_file(folder / "report.json", _Report, what="a report of the past")
    except EnvironmentFault:
        return
    if report.version != REPORT_VERSION:
        return
    for row in report.tasks:
        if has_worked(row.state, head=row.head) and row.seconds:
            yield Sample(
                run=report.run,
                at=report.ended_at,
                profile=row.profile,
                seconds=row.seconds,
                cost_usd=row.usage.cost_usd,
                slots=report.slots,
            )
