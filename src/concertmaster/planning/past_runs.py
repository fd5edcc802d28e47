"""What past runs in this repository took, from the reports in their folders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from concertmaster.errors import EnvironmentFault
from concertmaster.files import run_folder, untrusted
from concertmaster.model import REPORT_VERSION, TaskState, Usage
from concertmaster.planning.estimates import MOST_SAMPLES, Profile, Sample, has_worked

MOST_RUNS = 40  # that are looked at: planning must not become slow by many that taught nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """Of a task in report.json, what is asked here."""

    state: TaskState
    head: str
    profile: Profile
    seconds: float
    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    version: int
    run: str
    ended_at: float
    tasks: tuple[_Row, ...]


def read_past(git_dir: Path) -> tuple[Sample, ...]:
    """The tasks that worked in the newest runs of this repository, as many as can teach.

    A run without a report, or with one that cannot be understood, is passed over.
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
            )
