"""Defines the command `concertmaster report`."""

from __future__ import annotations

from pathlib import Path

import click

from concertmaster.cli.finish import finish
from concertmaster.cli.options import json_option, repo_option, run_argument
from concertmaster.engine import local_run as runs
from concertmaster.engine.recorded_run import read_run
from concertmaster.git.repository import Repository
from concertmaster.terminal.console import Console


@click.command()
@run_argument
@repo_option
@json_option
@click.pass_obj
def report(console: Console, /, run: str, repo: Path, json: bool) -> int:
    """Write and show the report of a run (default: the newest)."""
    repository = Repository.open(repo)
    found = read_run(runs.find_run(repository, run))
    return finish(console, found, is_full=True, repository=repository)
