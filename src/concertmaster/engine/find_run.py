"""Finds the run that a name means."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from concertmaster.engine.recorded_run import read_run
from concertmaster.errors import Error, UsageError
from concertmaster.files import run_folder
from concertmaster.git.repository import Repository
from concertmaster.report.run_end import can_go_on
from concertmaster.text.names import find_unique

MOST_OPEN_RUNS = 20  # newest runs that are searched for one that can be resumed


def runs_folder(repository: Repository) -> Path:
    """Return the folder of all runs of a repository."""
    return run_folder.runs_folder(repository.git_dir)


def find_run(repository: Repository, name: str) -> Path:
    """Return the folder of the named run, or of the newest.

    The start or the end of a name is enough if no other run has it. Raises UsageError if there is
    no such run, or several.
    """
    folders = run_folder.list_runs(runs_folder(repository))
    if not name and folders:
        return folders[-1]
    if found := find_unique(name, [folder.name for folder in folders], what="run"):
        return runs_folder(repository) / found
    raise UsageError(
        f"there is no run {name}" if name else "there is no run in this repository yet",
        why=f"looked in {runs_folder(repository)}",
        next_step="see `concertmaster status` for the runs, or start one: concertmaster run ...",
    )


def find_open_run(repository: Repository, name: str) -> Path:
    """Return the folder of the named run, else of the newest open one, else of the newest.

    Raises UsageError if there is none.
    """
    newest = find_run(repository, name)
    if name:
        return newest
    return next(iter(list_open_runs(repository)), newest)


def list_open_runs(repository: Repository) -> Iterator[Path]:
    """Yield the folders of the newest runs that `resume` or `cancel` would find work in."""
    folders = run_folder.list_runs(runs_folder(repository))[-MOST_OPEN_RUNS:]
    return filter(_is_open, reversed(folders))


def _is_open(folder: Path) -> bool:
    try:
        return can_go_on(read_run(folder).state)
    except Error:  # a run of another version, or a broken one
        return False
