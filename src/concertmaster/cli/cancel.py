"""Defines the command `concertmaster cancel`."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from concertmaster.cli.finish import run_home
from concertmaster.cli.options import json_option, repo_option
from concertmaster.cli.run_task import (
    NamedTask,
    complete_runs,
    complete_tasks,
    find_in_run,
    find_named_task,
    run_option,
)
from concertmaster.engine import local_run as runs
from concertmaster.engine.find_run import MOST_OPEN_RUNS, find_open_run, list_open_runs, runs_folder
from concertmaster.engine.recorded_run import read_run
from concertmaster.errors import UsageError
from concertmaster.events import RunResumed
from concertmaster.files import run_folder
from concertmaster.git.repository import Repository
from concertmaster.report.run_end import can_go_on
from concertmaster.run.cancellations import can_be_cancelled
from concertmaster.sandbox.supervisor import Guard
from concertmaster.terminal.console import Console
from concertmaster.text.names import find_unique


def _complete(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    found = (
        complete(context, parameter, incomplete) for complete in (complete_tasks, complete_runs)
    )
    return [item for items in found for item in items]


@click.command()
@click.argument("name", required=False, default="", metavar="[RUN|TASK]", shell_complete=_complete)
@run_option
@repo_option
@json_option
@click.pass_obj
def cancel(console: Console, /, name: str, run: str, repo: Path, json: bool) -> int:
    """End a run, or one task of it, and keep all work.

    Of a run, the agents are stopped and nothing more lands. Of a task, its agent is stopped and its
    result does not land; what needs it is blocked, and the run goes on.
    """
    repository = Repository.open(repo)
    if named := find_task(repository, name, run=run):
        words = cancel_task(named)
        told = {"run": named.folder.name, "task": named.id, "answer": words}
        console.result(f"task {named.id} of run {named.folder.name} {words}", told)
        return 0
    folder = find_open_run(repository, name or run)
    words = cancel_run(console, repository, folder)
    console.result(f"run {folder.name} {words}", {"run": folder.name, "task": "", "answer": words})
    return 0


def find_task(repository: Repository, name: str, *, run: str = "") -> NamedTask | None:
    """Return the task that the name means, None if it means a run.

    Tasks of runs that can go on come first. Raises UsageError for a name that is both or neither,
    or that tasks of several such runs have.
    """
    if run and name:
        return find_named_task(repository, name, run=run)
    if not name:
        return None
    folders = run_folder.list_runs(runs_folder(repository))
    meant = find_unique(name, [folder.name for folder in folders], what="run")
    tasks = [task for one in list_open_runs(repository) if (task := find_in_run(one, name))]
    if not meant and not tasks:
        return _find_in_ended_run(name, folders)
    if len(tasks) + bool(meant) > 1:
        raise _has_many_meanings(name, meant, tasks)
    return tasks[0] if tasks else None


def _find_in_ended_run(name: str, folders: Sequence[Path]) -> NamedTask:
    """Return the task of the newest run that has it. Raises UsageError if none has."""
    for folder in reversed(folders[-MOST_OPEN_RUNS:]):
        if found := find_in_run(folder, name):
            return found
    raise UsageError(
        f"there is no run {name}, and no task of this name",
        why="no run is called so, and none of the newest ones has such a task",
        next_step="see `concertmaster status` for the runs, and with one of them for its tasks",
    )


def _has_many_meanings(name: str, run: str, tasks: list[NamedTask]) -> UsageError:
    meanings = [f"task {task.id} of run {task.folder.name}" for task in tasks]
    ways = [f"concertmaster cancel {task.id} --run {task.folder.name}" for task in tasks]
    return UsageError(
        f"{name!r} has several meanings",
        why=" and ".join([*([f"run {run}"] if run else []), *meanings]),
        next_step="; or ".join([*([f"concertmaster cancel --run {run}"] if run else []), *ways]),
    )


def cancel_task(named: NamedTask) -> str:
    """Ask for the end of the task and return what becomes of it, in words.

    The process that works on the run takes the request, or the one that resumes the run.
    """
    state = read_run(named.folder).state
    if not can_go_on(state):
        return f"is not going on: the run had ended already, and the task is {_say(named)}"
    if not can_be_cancelled(named.record, state.plan):
        return f"is over already: it is {_say(named)}"
    run_folder.request_cancellation(named.folder, named.id)
    if run_folder.is_locked(named.folder):
        return "is being cancelled; its work is kept, and the run goes on"
    return f"is cancelled when the run goes on: concertmaster resume {named.folder.name}"


def _say(named: NamedTask) -> str:
    return named.record.state.replace("_", " ")


def cancel_run(console: Console, repository: Repository, folder: Path) -> str:
    """End the run and return how, in words."""
    if not can_go_on(read_run(folder).state):
        return "had ended already"
    if (owner := run_folder.read_owner(folder)) and run_folder.is_locked(folder):
        os.kill(owner, signal.SIGTERM)
        return f"is being cancelled by process {owner}, which owns it"
    with Guard() as guard, console.progress() as progress:
        runs.resume_run(
            runs.LocalRun(repository=repository, folder=folder),
            run_home(),
            progress=progress,
            guard=guard,
            opening=RunResumed(cancelled=True),
        )
    return "is cancelled"
