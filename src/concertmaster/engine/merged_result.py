"""Lays out a result that did not land, merged onto the target, so that it can be mended."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial

from concertmaster.engine.run_context import RunContext
from concertmaster.git.merge_conflict import OURS, Conflict
from concertmaster.landing.merges import join_files
from concertmaster.model import Repair
from concertmaster.text.display import display

MOST_SUBJECTS = 10
_MARKERS = (b"<<<<<<< ", b">>>>>>> ")


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedResult:
    """The tree of the target with the result merged into it.

    The files at `conflicts` hold the markers of their conflicts. The files at `outdated` are the
    target's; a command makes them anew.
    """

    tree: str
    conflicts: tuple[str, ...] = ()
    outdated: tuple[str, ...] = ()


def merge_result(
    context: RunContext, repair: Repair, *, regenerated: Collection[str] = ()
) -> MergedResult:
    """Return the result on the tip of the repair. The same repair gives the same tree.

    `regenerated` are the paths that commands can make anew.
    """
    objects = context.objects
    merged = objects.reapply(
        repair.tip,
        base=repair.base,
        head=repair.head,
        at=context.plan.settings.made_at,
        resolve=partial(join_files, objects, attributes=repair.base),
    )
    if not isinstance(merged, Conflict):
        return MergedResult(tree=merged.tree)
    targets = {path: merged.stages[path].get(OURS) for path in merged.paths if path in regenerated}
    outdated = {path: version for path, version in targets.items() if version}
    tree = objects.put_entries(merged.tree, outdated) if outdated else merged.tree
    return MergedResult(
        tree=tree,
        conflicts=tuple(path for path in merged.paths if path not in outdated),
        outdated=tuple(outdated),
    )


def describe_repair(context: RunContext, repair: Repair, result: MergedResult) -> str:
    """Return what is wrong with the merged result, for the agent that mends it."""
    if result.conflicts:
        names = "".join(f"- {path}\n" for path in result.conflicts)
        told = f"These files conflict. Between the markers the target stands first:\n\n{names}"
        landed = _list_landed(context, repair, result.conflicts)
    else:
        end = repair.evidence or repair.reason
        told = f"It merges, but the check fails on the merged tree:\n\n{end}\n"
        landed = _list_landed(context, repair, ())
    return f"{told}\nThe target has these changes that yours was made without:\n\n{landed}"


def _list_landed(context: RunContext, repair: Repair, paths: Collection[str]) -> str:
    """Return the subjects of the target's new commits that touch the paths, one a line."""
    options = ("--no-merges", "--format=%s", f"--max-count={MOST_SUBJECTS}")
    span = (f"^{repair.base}", repair.tip)
    found = context.objects.git.run("log", *options, *span, "--", *paths).splitlines()
    subjects = (display(subject, limit=100) for subject in found if subject)
    return "".join(f"- {subject}\n" for subject in subjects) or "- (none that say so)\n"


def find_markers(context: RunContext, commit: str, paths: Collection[str]) -> tuple[str, ...]:
    """Return those of the paths whose files still hold markers of a conflict."""
    objects = context.objects
    records = objects.git.run("ls-tree", "-z", commit, "--", *paths).split("\0") if paths else []
    entries = [record.partition("\t") for record in records if record]
    blobs = {path: header.split(" ")[2] for header, _, path in entries if " blob " in header}
    data = objects.read_objects({*blobs.values()})
    return tuple(path for path, blob in blobs.items() if _holds_markers(data[blob]))


def _holds_markers(data: bytes) -> bool:
    lines = data.splitlines()
    return all(any(line.startswith(marker) for line in lines) for marker in _MARKERS)
