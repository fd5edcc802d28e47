"""Finds the prompts that other runs of the repository work on."""

from __future__ import annotations

from pathlib import Path

from concertmaster.errors import UsageError
from concertmaster.files import run_folder

MOST_RUNS = 20  # the newest


def find_running_prompts(git_dir: Path) -> dict[tuple[str, str], str]:
    """Return the runs that go on, by the id and the prompt's blob of each of their tasks."""
    found: dict[tuple[str, str], str] = {}
    for folder in run_folder.list_runs(run_folder.runs_folder(git_dir))[-MOST_RUNS:]:
        if run_folder.is_locked(folder):
            try:
                plan = run_folder.read_plan(folder)
            except UsageError:  # of another version
                continue
            found |= {(task.id, task.blob): plan.run for task in plan.tasks if task.blob}
    return found
