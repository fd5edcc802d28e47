"""Makes the merges of a run; whoever repeats them gets the same commit ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from concertmaster.commands import MergeCandidate
from concertmaster.git import commit_message
from concertmaster.git.merge_conflict import Conflict, FileVersion, Joined, Merged
from concertmaster.git.run_repository import RunRepository
from concertmaster.landing.join_appends import join_appends
from concertmaster.model import Built, Plan
from concertmaster.settings.choices import HistoryShape

MOST_COMMITS = 1000  # of a branch, whose authors are named
# Values of the attribute `merge` with which git merges line by line.
_TEXT_MERGES = ("unspecified", "set", "text", "union")


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedTip:
    """The tip with a candidate's change on it; the tip itself if it had the change already.

    When it is not `as_it_is`, only the candidate's own change was applied. `joined` are the paths
    in which additions of both sides were joined.
    """

    commit: str
    as_it_is: bool
    joined: tuple[str, ...] = ()


def merge_changes(
    objects: RunRepository, tip: str, candidate: MergeCandidate, *, plan: Plan
) -> MergedTip | Conflict:
    """Return the tip with the candidate's change on it, or the conflict.

    The head is merged if the candidate is `as_it_is` and the plan wants merges, else its change is
    re-applied. A merge that git does not find is tried from the candidate's own base. A change is
    re-applied as well when its base has commits that are no longer in the target's history, since a
    merge would bring them back. What both sides added at one place is joined, see `join_appends`.
    """
    shape, at = plan.settings.history, plan.settings.made_at
    resolve = partial(join_files, objects, attributes=candidate.base)
    base, head = candidate.base, candidate.head
    is_on_tip = candidate.as_it_is and not objects.is_foreign(base, tip)
    as_it_is = is_on_tip and shape is HistoryShape.MERGE
    if as_it_is:
        text = commit_message.merge_message(candidate.title, task=candidate.task, run=plan.run)
        result = objects.merge(tip, head, message=text, at=at, resolve=resolve)
        if isinstance(result, Conflict):  # git does not join what several merge bases added
            result = objects.reapply(tip, base=base, head=head, at=at, resolve=resolve)
            if isinstance(result, Merged):
                made = objects.commit(result.tree, parents=(tip, head), message=text, at=at)
                result = replace(result, commit=made)
    else:
        known = "" if is_on_tip else base  # git finds the base that the tip contains
        result = objects.reapply(tip, base=known, head=head, at=at, resolve=resolve)
        if isinstance(result, Merged) and shape is not HistoryShape.MERGE:
            result = _name_authors(objects, result, tip, candidate, plan=plan)
    if isinstance(result, Conflict):
        return result
    there = result.tree == objects.tree(tip)
    if there and (not as_it_is or objects.is_ancestor(head, tip)):
        return MergedTip(commit=tip, as_it_is=as_it_is)
    is_head = result.commit == head and shape is HistoryShape.LINEAR
    return MergedTip(commit=result.commit, as_it_is=as_it_is or is_head, joined=result.joined)


def _name_authors(
    objects: RunRepository, merged: Merged, tip: str, candidate: MergeCandidate, *, plan: Plan
) -> Merged:
    """Return the commit of a branch of others with a message of its own and all its authors.

    The last commit of such a branch tells neither what the others do nor who made them.
    """
    if plan.settings.agent:
        return merged
    span = f"{candidate.base}..{candidate.head}"
    options = ("--no-show-signature", f"--max-count={MOST_COMMITS}", "--format=%an <%ae>")
    listed = objects.git.run("log", *options, span, "--")
    text = commit_message.branch_message(
        candidate.title,
        task=candidate.task,
        run=plan.run,
        authors=[*dict.fromkeys(reversed(listed.splitlines()))],
    )
    at = plan.settings.made_at
    return replace(merged, commit=objects.commit(merged.tree, parents=(tip,), message=text, at=at))


def join_files(objects: RunRepository, conflict: Conflict, *, attributes: str) -> Joined | Conflict:
    """Return the tree with the additions of both sides, or the conflict that is left.

    The files of the commit `attributes` say where `merge=union` holds. The tree of the conflict
    that is left holds the files that could be joined.
    """
    known = {path: conflict.find_versions(path) for path in conflict.paths}
    files = {path: versions for path, versions in known.items() if versions}
    kinds = objects.find_attribute(attributes, "merge", tuple(files)) if files else {}
    data = objects.read_objects({one.blob for versions in files.values() for one in versions})
    entries: dict[str, FileVersion] = {}
    for path, (base, ours, theirs) in files.items():
        if kinds[path] not in _TEXT_MERGES:
            continue
        joined = join_appends(
            path,
            base=data[base.blob],
            ours=data[ours.blob],
            theirs=data[theirs.blob],
            is_union=kinds[path] == "union",
        )
        if joined is not None:
            entries[path] = FileVersion(mode=ours.mode, blob=objects.write_blob(joined))
    tree = objects.put_entries(conflict.tree, entries) if entries else conflict.tree
    left = tuple(path for path in conflict.paths if path not in entries)
    if entries and not left:
        return Joined(tree=tree, paths=tuple(entries))
    return replace(conflict, paths=left, tree=tree)


def build_base(
    objects: RunRepository, base: str, built_on: Sequence[Built], *, task: str, made_at: int
) -> str | Conflict:
    """Return the commit that a task starts from, or the conflict.

    It merges the heads of `built_on`, all built on `base`, in this order; without any it is `base`.
    A head that another one contains is not merged: who knows only the nearest tasks, and who knows
    all that they are built on, come to the same commit.
    """
    commit = ""
    for head in objects.independent([built.head for built in built_on]):
        if not commit:
            commit = head
            continue
        text = commit_message.base_message(task)
        resolve = partial(join_files, objects, attributes=base)
        result = objects.merge(commit, head, message=text, at=made_at, resolve=resolve)
        if isinstance(result, Conflict):
            return result
        commit = result.commit
    return commit or base
