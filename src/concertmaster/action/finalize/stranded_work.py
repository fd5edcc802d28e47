"""Packs the work whose branch could not be pushed for the state branch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from concertmaster.action.finalize.context import FinalizeContext
from concertmaster.errors import GitFault
from concertmaster.rounds import kept_work, state_branch
from concertmaster.text.markdown import as_code


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedWork:
    """Files for the state branch by path, and notes (Markdown) on where the work lies."""

    bundles: Mapping[str, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def pack_stranded(context: FinalizeContext, stranded: Mapping[str, str]) -> PackedWork:
    """Return the bundles of these commits by task; a later round lands them from there."""
    bundles: dict[str, bytes] = {}
    notes: list[str] = []
    for task, commit in stranded.items():
        data = _pack(context, task, commit)
        if data is None:
            notes.append(f"The work of {as_code(task)} is only in the artifact of its job.")
            continue
        bundles[kept_work.name_of(task)] = data
        where = as_code(f"{state_branch.name_of(context.plan.run)}:{kept_work.name_of(task)}")
        notes.append(f"The work of {as_code(task)} is kept as a bundle in {where}.")
    return PackedWork(bundles=bundles, notes=tuple(notes))


def _pack(context: FinalizeContext, task: str, commit: str) -> bytes | None:
    try:
        return kept_work.pack_work(context.objects, task, commit, base=context.plan.base)
    except GitFault as error:
        context.job.console.note(f"the work of {task} cannot be packed: {error.what}")
        return None
