"""Finds the task of a run that a command names, and completes names in a shell."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from concertmaster.engine.find_run import MOST_OPEN_RUNS, find_run, runs_folder
from concertmaster.engine.recorded_run import read_run
from concertmaster.errors import Error, UsageError
from concertmaster.files import run_folder
from concertmaster.git.repository import Repository
from concertmaster.run.state import RunState
from concertmaster.run.task_record import Attempt, TaskRecord
from concertmaster.text.names import find_unique


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedTask:
    """A task of a run on this machine, with the run's folder."""

    folder: Path
    record: TaskRecord

    @property
    def id(self) -> str:
        """The id of the task."""
        return self.record.task.id

    def attempt(self, number: int = 0) -> Attempt:
        """Return this attempt, or the last for 0. Raises UsageError if there is none."""
        found = [one for one in self.record.attempts if number in (0, one.number)]
        if found:
            return found[-1]
        made = len(self.record.attempts)
        raise UsageError(
            f"{self.id} has no attempt {number}" if number else f"{self.id} has not begun yet",
            why=f"it had {made} so far" if made else "no slot was free for it",
            next_step=f"see `concertmaster status {self.folder.name}`",
        )


def find_named_task(repository: Repository, name: str, *, run: str = "") -> NamedTask:
    """Return the task with this id, or with this start of an id, or of this prompt file.

    Without a run, the newest run that has such a task is taken. Raises UsageError.
    """
    if run:
        folder = find_run(repository, run)
        if found := find_in_run(folder, name):
            return found
        raise _no_task(name, f"run {folder.name} has none of this name", folder)
    find_run(repository, "")  # raises where there is no run at all
    folders = run_folder.list_runs(runs_folder(repository))[-MOST_OPEN_RUNS:]
    for folder in reversed(folders):
        if found := find_in_run(folder, name):
            return found
    raise _no_task(name, "none of the newest runs has one of this name", folders[-1])


def _no_task(name: str, why: str, folder: Path) -> UsageError:
    step = f"see `concertmaster status {folder.name}` for its tasks"
    return UsageError(f"there is no task {name}", why=why, next_step=step)


def find_in_run(folder: Path, name: str) -> NamedTask | None:
    """Return the task of the run, None if it has none. Raises UsageError if several fit."""
    try:
        state: RunState = read_run(folder).state
    except Error:  # a run of another version, or a broken one
        return None
    prompts = {Path(state.tasks[key].task.prompt).name: key for key in state.tasks}
    key = prompts.get(Path(name).name) or find_unique(name, list(state.tasks), what="task")
    return NamedTask(folder=folder, record=state.tasks[key]) if key else None


def complete_runs(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the runs whose name begins so, for the completion of a shell."""
    names = [folder.name for folder in _list_folders()]
    return [CompletionItem(name) for name in reversed(names) if name.startswith(incomplete)]


def complete_tasks(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the tasks of the newest run that begin so, for the completion of a shell."""
    for folder in reversed(_list_folders()[-MOST_OPEN_RUNS:]):
        try:
            plan = run_folder.read_plan(folder)
        except Error:
            continue
        fits = [task for task in plan.tasks if task.id.startswith(incomplete)]
        return [CompletionItem(task.id, help=task.title) for task in fits]
    return []


def _list_folders() -> tuple[Path, ...]:
    try:
        return run_folder.list_runs(runs_folder(Repository.open(Path())))
    except Error:
        return ()


task_argument = click.argument("task", shell_complete=complete_tasks)
run_option = click.option(
    "--run", default="", metavar="RUN", shell_complete=complete_runs, help="Of which run."
)
attempt_option = click.option(
    "--attempt", type=click.IntRange(min=1), metavar="N", help="Which attempt (default: the last)."
)
