"""Defines the command `concertmaster cancel`."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import click

from concertmaster.cli.finish import run_home
from concertmaster.cli.options import json_option, repo_option, run_argument
from concertmaster.engine import local_run as runs
from concertmaster.engine.find_run import find_open_run
from concertmaster.engine.recorded_run import read_run
from concertmaster.events import RunResumed
from concertmaster.files import run_folder
from concertmaster.git.repository import Repository
from concertmaster.report.run_end import can_go_on
from concertmaster.sandbox.supervisor import Guard
from concertmaster.terminal.console import Console


@click.command()
@run_argument
@repo_option
@json_option
@click.pass_obj
def cancel(console: Console, /, run: str, repo: Path, json: bool) -> int:
    """End a run: stop its agents, land nothing more, keep all work."""
    repository = Repository.open(repo)
    folder = find_open_run(repository, run)
    if not can_go_on(read_run(folder).state):
        words = "had ended already"
    elif (owner := run_folder.read_owner(folder)) and run_folder.is_locked(folder):
        os.kill(owner, signal.SIGTERM)
        words = f"is being cancelled by process {owner}, which owns it"
    else:
        with Guard() as guard, console.progress() as progress:
            runs.resume_run(
                runs.LocalRun(repository=repository, folder=folder),
                run_home(),
                progress=progress,
                guard=guard,
                opening=RunResumed(cancelled=True),
            )
        words = "is cancelled"
    console.result(f"run {folder.name} {words}", {"run": folder.name, "answer": words})
    return 0
