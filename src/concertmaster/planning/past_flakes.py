"""Reads which checks failed at random from the reports in the folders of past runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from concertmaster.errors import EnvironmentFault
from concertmaster.files import run_folder, untrusted
from concertmaster.model import REPORT_VERSION, KnownFlakes
from concertmaster.planning.past_runs import MOST_RUNS

MOST_TESTS_KNOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class _Totals:
    """The fields of `flakes` in report.json."""

    check: str
    checks: int
    failures: int
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _FlakeReport:
    """The fields of report.json that tell of flakes."""

    version: int
    flakes: _Totals


def read_flakes(git_dir: Path, *, check: str) -> KnownFlakes:
    """Return what the newest runs of this repository tell of the check. The command must be same.

    Runs without a readable report are skipped.
    """
    checks = failures = 0
    tests: dict[str, None] = {}
    runs = run_folder.list_runs(run_folder.runs_folder(git_dir))
    for folder in reversed(runs[-MOST_RUNS:]):
        try:
            found = untrusted.read_file(folder / "report.json", _FlakeReport, what="a report")
        except EnvironmentFault:
            continue
        told = found.flakes
        if found.version == REPORT_VERSION and told.check == check and _is_possible(told):
            checks, failures = checks + told.checks, failures + told.failures
            tests |= dict.fromkeys(told.tests)
    return KnownFlakes(checks=checks, failures=failures, tests=tuple(tests)[:MOST_TESTS_KNOWN])


def _is_possible(told: _Totals) -> bool:
    return 0 <= told.failures <= told.checks < 1_000_000
