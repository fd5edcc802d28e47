"""The messages of the commits that Concertmaster makes."""

from __future__ import annotations

from concertmaster.core.model import RunSettings
from concertmaster.core.text import display

TITLE_LENGTH = 72


def task_message(title: str, *, task: str, prompt: str, run: str, settings: RunSettings) -> str:
    """The one commit of a task; `prompt` is the file it came from."""
    credit = f"Co-authored-by: {settings.requester}\n" if settings.requester else ""
    return (
        f"{display(title, limit=TITLE_LENGTH)}\n\n"
        f"From {display(prompt, limit=200)}.\n\n"
        f"Concertmaster-Run: {run}\nConcertmaster-Task: {task}\n{credit}"
    )


def merge_message(title: str, *, task: str, run: str) -> str:
    """The merge that brings a task's commit to the target."""
    return (
        f"Merge {task}: {display(title, limit=TITLE_LENGTH)}\n\n"
        f"Concertmaster-Run: {run}\nConcertmaster-Task: {task}\n"
    )


def base_message(task: str) -> str:
    """The merge of several changes that one task builds on; it never lands by itself."""
    return f"Base of {task}\n"


def snapshot_message(task: str, *, attempt: int, phase: str) -> str:
    """What the worktree held at the end of a phase; it never lands."""
    return f"Snapshot of {task}, attempt {attempt}, after {phase}\n"
