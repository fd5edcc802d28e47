"""Finds the prompts whose work has landed, by the trailers of the target's commits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from concertmaster.git.command import parse_object_id
from concertmaster.git.repository import Repository
from concertmaster.text.object_ids import OBJECT_ID

MOST_COMMITS = 2000  # of the target that are read, the newest
_TRAILER = re.compile(r"^Concertmaster-(Run|Task|Prompt): (\S+)[ \t]*$", re.MULTILINE)
_REVERTED = re.compile(rf"\bThis reverts commit ({OBJECT_ID})\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetCommit:
    """What the message of a commit tells: the work in it, and the commits that it reverts.

    A commit into which others were squashed has the trailers of all.
    """

    commit: str
    work: tuple[tuple[str, str, str], ...]  # run, task and blob of the prompt, each "" if unknown
    reverts: tuple[str, ...]


def find_landed(repository: Repository, tip: str, prompts: Mapping[str, str]) -> dict[str, str]:
    """Return the commits with which tasks have landed, by task.

    `prompts` are the blobs of the prompts by task; only the same text counts. What was reverted
    since does not count. At most MOST_COMMITS commits before `tip`, a full object id, are read.
    """
    options = ("-z", f"--max-count={MOST_COMMITS}", "--format=%H%n%B", "--end-of-options")
    if not prompts:
        return {}
    answer = repository.git.run("log", *options, parse_object_id(tip))
    return _fold([_read(record) for record in answer.split("\0") if record], prompts)


def _read(record: str) -> TargetCommit:
    commit, _, message = record.partition("\n")
    work: list[tuple[str, str, str]] = []
    run = ""
    for key, value in _TRAILER.findall(message):
        if key == "Run":
            run = value
        elif key == "Task":
            work.append((run, value, ""))
        elif work:
            work[-1] = (run, work[-1][1], value)
    return TargetCommit(commit=commit, work=tuple(work), reverts=tuple(_REVERTED.findall(message)))


def _fold(entries: list[TargetCommit], prompts: Mapping[str, str]) -> dict[str, str]:
    """Return the commits by task.

    The newest entry comes first, so that a revert that was reverted counts for nothing.
    """
    landed: dict[str, str] = {}
    reverted, undone = set[str](), set[tuple[str, str]]()
    for entry in entries:
        done = {(run, task) for run, task, _ in entry.work}
        if entry.commit in reverted:  # the task's commit, or the merge that brought it
            undone |= done
            continue
        reverted.update(entry.reverts)
        for run, task, blob in entry.work if not entry.reverts else ():
            if (run, task) not in undone and blob and prompts.get(task) == blob:
                landed.setdefault(task, entry.commit)
    return landed
