"""The merges of a run, which anyone who repeats them gets with the same ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from concertmaster.commands import MergeCandidate
from concertmaster.git import commit_message
from concertmaster.git.run_repository import Conflict, RunRepository
from concertmaster.model import Built


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedBase:
    """The tip with a candidate on it; the tip itself where that has the change already. Where it
    is not `as_it_is`, only the candidate's change was put on."""

    commit: str
    as_it_is: bool


def merge_changes(
    objects: RunRepository, tip: str, candidate: MergeCandidate, *, run: str, made_at: int
) -> MergedBase | Conflict:
    """The tip with the candidate's change on it. `made_at` is epoch seconds.

    What somebody has taken out of the target's history since does not come back with its head.
    """
    as_it_is = candidate.as_it_is and not objects.is_foreign(candidate.base, tip)
    if as_it_is:
        text = commit_message.merge_message(candidate.title, task=candidate.task, run=run)
        result = objects.merge(tip, candidate.head, message=text, at=made_at)
    else:
        text = objects.message(candidate.head)
        result = objects.reapply(
            tip, base=candidate.base, head=candidate.head, message=text, at=made_at
        )
    if isinstance(result, Conflict):
        return result
    there = result.tree == objects.tree(tip)
    if there and (not as_it_is or objects.is_ancestor(candidate.head, tip)):
        return MergedBase(commit=tip, as_it_is=as_it_is)
    return MergedBase(commit=result.commit, as_it_is=as_it_is)


def build_base(
    objects: RunRepository, base: str, built_on: Sequence[Built], *, task: str, made_at: int
) -> str | Conflict:
    """What the task starts from: these changes, merged in this order; `base` where there are none.

    Every head is built on `base`.
    """
    commit = ""
    for built in built_on:
        if not commit:
            commit = built.head
            continue
        text = commit_message.base_message(task)
        result = objects.merge(commit, built.head, message=text, at=made_at)
        if isinstance(result, Conflict):
            return result
        commit = result.commit
    return commit or base
