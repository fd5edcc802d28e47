"""Makes the merges of a run; whoever repeats them gets the same commit ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from concertmaster.commands import MergeCandidate
from concertmaster.git import commit_message
from concertmaster.git.run_repository import Conflict, RunRepository
from concertmaster.model import Built


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedTip:
    """The tip with a candidate's change on it; the tip itself if it had the change already.

    When it is not `as_it_is`, only the candidate's own change was applied.
    """

    commit: str
    as_it_is: bool


def merge_changes(
    objects: RunRepository, tip: str, candidate: MergeCandidate, *, run: str, made_at: int
) -> MergedTip | Conflict:
    """Return the tip with the candidate's change on it, or the conflict.

    `made_at` is epoch seconds. The head is merged if the candidate is `as_it_is`, else its change
    is re-applied. It is re-applied as well when the candidate's base has commits that are no longer
    in the target's history, since a merge would bring them back.
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
        return MergedTip(commit=tip, as_it_is=as_it_is)
    return MergedTip(commit=result.commit, as_it_is=as_it_is)


def build_base(
    objects: RunRepository, base: str, built_on: Sequence[Built], *, task: str, made_at: int
) -> str | Conflict:
    """Return the commit that a task starts from, or the conflict.

    It merges the heads of `built_on`, all built on `base`, in this order; without any it is `base`.
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
