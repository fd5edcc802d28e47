"""Holds what the page shows of a task beside its row in the report."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedFile:
    """A file that a task changed. The numbers of lines are None for a binary file."""

    path: str
    added: int | None
    removed: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskMaterial:
    """The texts of a task, each "" if there is none or no room for it.

    `diff` is what its last commit changes, and `check_log` the end of its last attempt's log.
    """

    prompt: str = ""
    changed: tuple[ChangedFile, ...] = ()
    diff: str = ""
    check_log: str = ""
