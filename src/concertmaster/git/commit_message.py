"""Builds the messages of the commits that Concertmaster makes.

GitHub acts on what it finds in a message: it closes issues, notifies people, skips checks. The text
of a prompt is therefore changed so that it reads the same and triggers nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from concertmaster.model import PROMPT_NAMING_VERSION, Plan, Task
from concertmaster.text.display import display, keep_checks

TITLE_LENGTH = 72
OUR_TRAILERS = "Concertmaster-"
MOST_AUTHORS = 20  # that one commit names
LONGEST_SQUASH = 20_000  # characters of the texts of its tasks

_LONGEST = 1000  # characters of a title that are read
_PLACE_OF_A_SPACE = re.compile(
    r"(?<=#)(?=\d)"  # an issue: #12, octo/opera#12
    r"|(?<=^gh-)(?=\d)|(?<=[^a-z0-9]gh-)(?=\d)"
    r"|(?<=:)(?=//)"  # a URL, which may be that of an issue
    r"|(?<![a-z0-9]@)(?<=@)(?=\w)",  # a mention, but not an e-mail address
    re.IGNORECASE,
)
_WHOLE_ID = re.compile(r"([0-9a-f]{12})[0-9a-f]{28,}", re.IGNORECASE)
_TRAILER = re.compile(r"^([a-z0-9-]*-(?:by|checks|run|task|prompt))\s*:\s*", re.IGNORECASE)


def inert(text: str, *, limit: int) -> str:
    """Return the text as one line that triggers nothing on GitHub, at most `limit` characters.

    A space splits references, mentions and URLs: `Fix # 12`, `@ ada`, `https: //`. Commands such as
    `[skip ci]` lose their brackets, trailers their colon. Whole ids of commits are shortened, so
    that nobody takes the text for the message of a revert.
    """
    line = _WHOLE_ID.sub(r"\1…", keep_checks(display(text, limit=_LONGEST)))
    return display(_TRAILER.sub(r"\1 - ", _PLACE_OF_A_SPACE.sub(" ", line)), limit=limit)


def task_message(task: Task, *, plan: Plan, said: str = "") -> str:
    """Return the message of a task's one commit. Its trailers tell which prompt it is made from.

    `said` is what the agent says of its work, as `commit_body.inert_body` returns it.
    """
    requester = display(plan.settings.requester)
    names_prompt = plan.version >= PROMPT_NAMING_VERSION and task.blob
    return (
        f"{inert(task.title, limit=TITLE_LENGTH) or task.id}\n\n"
        + (f"{said}\n\n" if said else "")
        + f"From {inert(task.prompt, limit=200)}.\n\n"
        f"Concertmaster-Run: {plan.run}\nConcertmaster-Task: {task.id}\n"
        + (f"Concertmaster-Prompt: {task.blob}\n" if names_prompt else "")
        + (f"Co-authored-by: {requester}\n" if requester else "")
    )


def squash_message(messages: Sequence[str]) -> str:
    """Return the message of the one commit that replaces the tasks' commits with these messages.

    It has the trailers of all of them. Texts of more than LONGEST_SQUASH characters are left out.
    """
    parts = [message.rstrip("\n").rpartition("\n\n") for message in messages]
    subjects = [text.partition("\n")[0] for text, _, _ in parts]
    texts = [f"* {text}" for text, _, _ in parts]
    if sum(map(len, texts)) > LONGEST_SQUASH:
        texts = ["\n".join(f"* {subject}" for subject in subjects)]
    trailers = [line for _, _, lines in parts for line in lines.splitlines()]
    ours = [line for line in trailers if line.startswith(OUR_TRAILERS)]
    others = dict.fromkeys(line for line in trailers if not line.startswith(OUR_TRAILERS))
    title = display(f"Land {len(parts)} tasks: {'; '.join(subjects)}", limit=TITLE_LENGTH)
    return "\n\n".join((title, *texts, "\n".join((*ours, *others)))) + "\n"


def merge_message(title: str, *, task: str, run: str) -> str:
    """Return the message of the merge that brings a task's commit to the target."""
    return (
        f"Merge {task}: {inert(title, limit=TITLE_LENGTH)}\n\n"
        f"Concertmaster-Run: {run}\nConcertmaster-Task: {task}\n"
    )


def branch_message(title: str, *, task: str, run: str, authors: Sequence[str]) -> str:
    """Return the message of the one commit that stands for the commits of a branch of others.

    `authors` are theirs, as `Name <email>`, the first one first; at most MOST_AUTHORS are named.
    """
    named = (inert(author, limit=200) for author in authors[:MOST_AUTHORS])
    return (
        f"{inert(title, limit=TITLE_LENGTH) or task}\n\n"
        f"Concertmaster-Run: {run}\nConcertmaster-Task: {task}\n"
        + "".join(f"Co-authored-by: {author}\n" for author in named)
    )


def base_message(task: str) -> str:
    """Return the message of the merge of several changes that one task is built on.

    This merge never lands by itself.
    """
    return f"Base of {task}\n"


def snapshot_message(task: str, *, attempt: int, phase: str) -> str:
    """Return the message of the snapshot that is taken after a phase; it never lands."""
    return f"Snapshot of {task}, attempt {attempt}, after {phase}\n"


def memory_message(run: str) -> str:
    """Return the message of the commit that writes Memory.md and nothing else."""
    return f"Note run {run} in Memory.md\n\nConcertmaster-Run: {run}\n"


def state_message(run: str, round_number: int) -> str:
    """Return the message of a commit on a run's state branch, which is never merged."""
    return f"State of run {run} after round {round_number}\n\nConcertmaster-Run: {run}\n"
