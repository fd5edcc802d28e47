"""Starts planned runs and ends commands with the report."""

from __future__ import annotations

from concertmaster.engine import local_run as runs
from concertmaster.engine.recorded_run import RecordedRun, write_report
from concertmaster.files import run_folder
from concertmaster.planning.build_plan import Planned
from concertmaster.report.html import render_report
from concertmaster.report.outcome import exit_code
from concertmaster.sandbox.supervisor import Guard
from concertmaster.settings.process import find_cache, read_environment
from concertmaster.terminal.console import Console


def run_plan(console: Console, planned: Planned, guard: Guard) -> int:
    """Start the run and show its progress and report. Return the exit code."""
    with console.progress() as progress:
        run = runs.start_run(planned, run_home(), progress=progress, guard=guard)
    return finish(console, run)


def run_home() -> runs.RunHome:
    """Return the cache folder and environment of this user."""
    return runs.RunHome(cache=find_cache(), environment=read_environment())


def finish(console: Console, run: RecordedRun, *, is_full: bool = False) -> int:
    """Write the report to the run's folder and show it. Return the exit code."""
    found = run.report
    write_report(run.folder, render_report(found), found)
    running = run_folder.is_locked(run.folder)
    console.show_report(found, run.folder, is_full=is_full, running=running)
    return exit_code(found.ended)
