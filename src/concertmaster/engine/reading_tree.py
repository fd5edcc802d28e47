"""Makes worktrees for sessions that only read, without the files that instruct agents.

An agent loads such files by itself, so the author of a change could brief its reviewer, or run a
hook in the reviewer's session.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from concertmaster.commands import RunPhase
from concertmaster.engine.run_context import RunContext
from concertmaster.git.our_branches import branch_of
from concertmaster.landing.path_classes import steers_agents
from concertmaster.worktrees.worktree import Worktree


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingTree:
    """A worktree at `commit`, which lacks the files `left_out`."""

    worktree: Worktree
    commit: str
    left_out: tuple[str, ...]


@contextmanager
def reading_tree(context: RunContext, command: RunPhase, commit: str) -> Iterator[ReadingTree]:
    """Yield a worktree of its own with the files of the commit; it is removed afterwards."""
    objects, task = context.objects, command.task.id
    left_out = tuple(path for path in objects.paths(commit) if steers_agents(path))
    if left_out:
        message = "Leave out the files that agents read by themselves\n"
        made_at = context.plan.settings.made_at
        commit = objects.without_files(commit, left_out, message=message, at=made_at)
    worktree = context.worktrees.create(
        commit,
        task=task,
        attempt=command.attempt,
        branch=branch_of(context.plan.run, "review"),
    )
    try:
        yield ReadingTree(worktree=worktree, commit=commit, left_out=left_out)
    finally:
        context.worktrees.remove(worktree.folder)


def tells_agents_more(context: RunContext, commit: str) -> bool:
    """Return whether a file that instructs agents differs from the run's base."""
    changes = context.objects.changes(context.plan.base, commit)
    return any(steers_agents(change.path) for change in changes)
