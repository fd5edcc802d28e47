"""Defines the command `concertmaster diff`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from concertmaster.cli.options import json_option, repo_option
from concertmaster.cli.run_task import (
    attempt_option,
    find_named_task,
    run_option,
    task_argument,
)
from concertmaster.engine.page_material import REPOSITORY
from concertmaster.git.repository import Repository
from concertmaster.git.run_repository import RunRepository
from concertmaster.terminal.console import Console

MOST_CHARACTERS = 10 << 20


@click.command()
@task_argument
@repo_option
@run_option
@attempt_option
@json_option
@click.pass_obj
def diff(console: Console, /, task: str, repo: Path, json: bool, **given: Any) -> int:
    """Show what a task has changed, up to its last finished phase."""
    named = find_named_task(Repository.open(repo), task, run=given["run"])
    chosen = named.attempt(given["attempt"] or 0)
    objects = RunRepository.open(named.folder / REPOSITORY)
    there = chosen.base and chosen.work and objects.holds(chosen.work)
    shown = ""
    if there:
        trees = (objects.tree(chosen.base), objects.tree(chosen.work))
        shown = objects.show_change(*trees, limit=MOST_CHARACTERS)
    if json:
        told = {"run": named.folder.name, "task": named.id, "attempt": chosen.number}
        console.document({**told, "base": chosen.base, "commit": chosen.work, "diff": shown})
        return 0
    for line in shown.splitlines():
        console.line(line)
    if not shown:
        why = chosen.no_op or ("no phase that changes files has finished" if not there else "")
        console.note(f"{named.id} has changed nothing{f': {why}' if why else ''}")
    return 0
