"""Collects what the report's page shows of each task: its prompt, its change, and its check."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from concertmaster.engine.logs import read_end
from concertmaster.engine.recorded_run import RecordedRun
from concertmaster.engine.run_context import PROMPTS
from concertmaster.errors import Error
from concertmaster.git.line_counts import LineCount, count_lines, find_trees
from concertmaster.git.run_repository import RunRepository
from concertmaster.report.model import AttemptRow, TaskRow
from concertmaster.report.task_material import ChangedFile, TaskMaterial

MOST_TEXTS = 64  # tasks whose texts are shown; a page of more shows the counts of lines only
MOST_FILES = 50  # of one task
MOST_PROMPT_CHARACTERS = 4_000
MOST_DIFF_CHARACTERS = 8_000
REPOSITORY = "repository.git"

Change = tuple[str, str]


def collect_material(run: RecordedRun) -> dict[str, TaskMaterial]:
    """Return the material of each task by its id. What cannot be read is left out."""
    blobs = {task.id: task.blob for task in run.state.plan.tasks}
    tasks = run.report.tasks
    try:
        objects = RunRepository.open(run.folder / REPOSITORY)
        changes = _find_changes(tasks, objects)
        counts = count_lines(objects.git, changes.values())
    except Error:
        return {}
    has_texts = len(tasks) <= MOST_TEXTS
    found: dict[str, TaskMaterial] = {}
    for task in tasks:
        change = changes.get(task.id)
        files = counts[change] if change else ()
        found[task.id] = TaskMaterial(
            prompt=_read_prompt(run.folder, blobs.get(task.id, "")) if has_texts else "",
            changed=tuple(map(_changed_file, files[:MOST_FILES])),
            diff=_show_diff(objects, change) if change and has_texts else "",
            check_log=_read_log(run.folder, task.attempts) if has_texts else "",
        )
    return found


def _find_changes(tasks: Sequence[TaskRow], objects: RunRepository) -> dict[str, Change]:
    """Return the trees before and after each task that has a head, by its id."""
    commits = {
        task.id: (task.attempts[-1].base, task.head)
        for task in tasks
        if task.head and task.attempts and task.attempts[-1].base
    }
    trees = find_trees(objects.git, (one for pair in commits.values() for one in pair))
    return {
        key: (trees[base], trees[head])
        for key, (base, head) in commits.items()
        if base in trees and head in trees
    }


def _changed_file(count: LineCount) -> ChangedFile:
    return ChangedFile(path=count.path, added=count.added, removed=count.removed)


def _show_diff(objects: RunRepository, change: Change) -> str:
    return objects.show_change(*change, limit=MOST_DIFF_CHARACTERS)


def _read_prompt(folder: Path, blob: str) -> str:
    path = folder / PROMPTS / blob
    if not blob or not path.is_file():
        return ""
    with path.open("rb") as file:
        return file.read(4 * MOST_PROMPT_CHARACTERS).decode(errors="replace")


def _read_log(folder: Path, attempts: tuple[AttemptRow, ...]) -> str:
    return read_end(folder / attempts[-1].check_log) if attempts else ""
