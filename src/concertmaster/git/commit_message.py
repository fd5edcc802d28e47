"""The messages of the commits that Concertmaster makes.

GitHub acts on what stands in a message: it closes issues, notifies people, skips checks. So the
words of a prompt are written such that they read the same and do nothing.
"""

from __future__ import annotations

import re

from concertmaster.model import RunSettings
from concertmaster.text.display import display, keep_checks

TITLE_LENGTH = 72

_LONGEST = 1000  # of a title that anyone reads
_PLACE_OF_A_SPACE = re.compile(
    r"(?<=#)(?=\d)"  # an issue: #12, octo/opera#12
    r"|(?<=^gh-)(?=\d)|(?<=[^a-z0-9]gh-)(?=\d)"
    r"|(?<=:)(?=//)"  # an address, which may be an issue's
    r"|(?<![a-z0-9]@)(?<=@)(?=\w)",  # a mention, no e-mail address
    re.IGNORECASE,
)
_TRAILER = re.compile(r"^([a-z0-9-]*-(?:by|checks|run|task))\s*:\s*", re.IGNORECASE)


def inert(text: str, *, limit: int) -> str:
    """One line of plain text for a commit or a title; at most `limit` characters.

    A space parts what would act: `Fix # 12`, `@ ada`, `https: //`; brackets and trailers go.
    """
    line = keep_checks(display(text, limit=_LONGEST))
    return display(_TRAILER.sub(r"\1 - ", _PLACE_OF_A_SPACE.sub(" ", line)), limit=limit)


def task_message(title: str, *, task: str, prompt: str, run: str, settings: RunSettings) -> str:
    """The one commit of a task; `prompt` is the file it came from."""
    requester = display(settings.requester)
    credit = f"Co-authored-by: {requester}\n" if requester else ""
    return (
        f"{inert(title, limit=TITLE_LENGTH) or task}\n\n"
        f"From {inert(prompt, limit=200)}.\n\n"
        f"Concertmaster-Run: {run}\nConcertmaster-Task: {task}\n{credit}"
    )


def merge_message(title: str, *, task: str, run: str) -> str:
    """The merge that brings a task's commit to the target."""
    return (
        f"Merge {task}: {inert(title, limit=TITLE_LENGTH)}\n\n"
        f"Concertmaster-Run: {run}\nConcertmaster-Task: {task}\n"
    )


def base_message(task: str) -> str:
    """The merge of several changes that one task builds on; it never lands by itself."""
    return f"Base of {task}\n"


def snapshot_message(task: str, *, attempt: int, phase: str) -> str:
    """What the worktree held at the end of a phase; it never lands."""
    return f"Snapshot of {task}, attempt {attempt}, after {phase}\n"


def memory_message(run: str) -> str:
    """The commit that writes Memory.md and nothing else."""
    return f"Note run {run} in Memory.md\n\nConcertmaster-Run: {run}\n"


def state_message(run: str, round_number: int) -> str:
    """The commit on a run's state branch, which is never merged."""
    return f"State of run {run} after round {round_number}\n\nConcertmaster-Run: {run}\n"
