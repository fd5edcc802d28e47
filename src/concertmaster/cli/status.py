"""Defines the command `concertmaster status`."""

from __future__ import annotations

from pathlib import Path

import click

from concertmaster.cli.options import json_option, repo_option, run_argument
from concertmaster.engine.find_run import find_run, runs_folder
from concertmaster.engine.recorded_run import current_report, read_run
from concertmaster.errors import Error
from concertmaster.files import run_folder
from concertmaster.git.repository import Repository
from concertmaster.report.model import Report
from concertmaster.terminal.console import Console


@click.command()
@run_argument
@repo_option
@json_option
@click.pass_obj
def status(console: Console, /, run: str, repo: Path, json: bool) -> int:
    """The runs of this repository, or how one of them stands."""
    repository = Repository.open(repo)
    if run:
        folder = find_run(repository, run)
        found = current_report(read_run(folder), repository)
        console.show_status(found, folder, running=run_folder.is_locked(folder))
        return 0
    runs_read, unreadable = list[tuple[Report, bool]](), list[tuple[str, Error]]()
    for folder in run_folder.list_runs(runs_folder(repository)):
        try:
            report = current_report(read_run(folder), repository)
            runs_read.append((report, run_folder.is_locked(folder)))
        except Error as error:  # a bad run must not hide the others
            unreadable.append((folder.name, error))
    console.show_runs(runs_read, unreadable)
    return 0
