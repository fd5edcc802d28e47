"""Defines the command `concertmaster open`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from concertmaster.cli.options import json_option, repo_option
from concertmaster.cli.run_task import find_named_task, run_option, task_argument
from concertmaster.errors import UsageError
from concertmaster.git.repository import Repository
from concertmaster.run.task_record import TaskRecord
from concertmaster.settings.process import read_environment
from concertmaster.terminal.console import Console
from concertmaster.worktrees.owner import read_owner

_SHELL = "/bin/sh"


@click.command(name="open")
@task_argument
@repo_option
@run_option
@click.option("--shell", is_flag=True, help="Start your shell in the worktree.")
@json_option
@click.pass_obj
def open(  # noqa: A001  the command has this name
    console: Console, /, task: str, repo: Path, json: bool, **given: Any
) -> int:
    """Print where the work of a task is.

    That is its worktree, else the branch or the commit with its work.
    """
    named = find_named_task(Repository.open(repo), task, run=given["run"])
    record = named.record
    place = _find_place(record)
    if given["shell"]:
        _enter(place, named.id)
    path = str(place or "")
    commit = record.head or record.work
    if json:
        told = {"run": named.folder.name, "task": named.id, "path": path}
        console.document({**told, "branch": record.kept_on, "commit": commit})
    elif found := path or record.kept_on or commit:
        console.line(found)
        if not path:
            kind = "branch" if record.kept_on else "commit"
            console.note(f"the worktree is gone; this is the {kind} with its work")
    else:
        console.note(f"{named.id} has no worktree and no work yet")
    return 0


def _find_place(record: TaskRecord) -> Path | None:
    """Return the worktree of the last attempt, None if it is not there any more."""
    last = record.attempt
    owner = read_owner(Path(last.folder)) if last and last.folder else None
    place = owner.places(Path(last.folder)).files if last and owner else None
    return place if place and place.is_dir() else None


def _enter(place: Path | None, task: str) -> None:
    """Replace this process by the user's shell in the worktree. Raises UsageError."""
    if place is None:
        raise UsageError(
            f"the worktree of {task} is not there",
            why="a worktree is removed when its attempt has ended and its work is saved",
            next_step=f"`concertmaster open {task}` names the branch or commit with the work",
        )
    shell = read_environment().get("SHELL") or _SHELL
    os.chdir(place)
    os.execv(shell, [shell])  # noqa: S606  the user's own shell
