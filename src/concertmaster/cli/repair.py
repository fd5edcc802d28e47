"""Defines the command `concertmaster repair`."""

from __future__ import annotations

from pathlib import Path

import click

from concertmaster.cli.options import json_option, repo_option
from concertmaster.engine.damaged_run import repair_run
from concertmaster.engine.find_run import runs_folder
from concertmaster.errors import UsageError
from concertmaster.git.repository import Repository
from concertmaster.terminal.console import Console


@click.command()
@click.argument("run")
@repo_option
@json_option
@click.pass_obj
def repair(console: Console, /, run: str, repo: Path, json: bool) -> int:
    """Mend a run whose files are damaged, as far as it goes.

    The plan and the landings are kept on references of the repository as well. What is lost is
    told, and `resume` goes on with the rest.
    """
    if Path(run).name != run or run in (".", ".."):
        raise UsageError(f"{run!r} is no name of a run", next_step="see `concertmaster status`")
    repository = Repository.open(repo)
    found = repair_run(runs_folder(repository) / run, repository)
    console.result("\n".join(found.sentences()), found.document())
    return 0
