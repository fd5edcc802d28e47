"""Defines the command `concertmaster report`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import click

from concertmaster.cli.finish import finish
from concertmaster.cli.options import choice, json_option, repo_option, run_argument
from concertmaster.engine.find_run import find_run
from concertmaster.engine.recorded_run import current_report, read_run, write_states
from concertmaster.git.repository import Repository
from concertmaster.report.run_end import exit_code
from concertmaster.terminal.console import Console


class ReportForm(StrEnum):
    """The form in which a report is shown."""

    SUMMARY = "summary"
    WORKFLOW_STATE = "workflow-state"


@click.command()
@run_argument
@repo_option
@click.option(
    "--format",
    "form",
    type=choice(*ReportForm),
    default=ReportForm.SUMMARY.value,
    help="workflow-state: a state file of each task (default: summary).",
)
@json_option
@click.pass_obj
def report(console: Console, /, run: str, repo: Path, *, form: str, json: bool) -> int:
    """Write and show the report of a run (default: the newest)."""
    repository = Repository.open(repo)
    found = read_run(find_run(repository, run))
    if form == ReportForm.SUMMARY:
        return finish(console, found, is_full=True, repository=repository)
    current = current_report(found, repository)
    files = write_states(found.folder, current)
    console.result("\n".join(map(str, files)), {"files": [*map(str, files)]})
    return exit_code(current.ended)
