"""Merges the changes that an attempt begins with."""

from __future__ import annotations

from dataclasses import dataclass

from concertmaster.commands import RunPhase
from concertmaster.engine.phase_failure import PhaseFailure
from concertmaster.engine.run_context import RunContext
from concertmaster.git.merge_conflict import Conflict
from concertmaster.landing.merges import build_base
from concertmaster.model import Built, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptBase:
    """The commit that an attempt begins at, the changes it holds, and notes on those left out."""

    commit: str
    built_on: tuple[Built, ...]
    notes: tuple[str, ...]


def make_base(context: RunContext, command: RunPhase) -> AttemptBase:
    """Return the base with the wanted changes that merge.

    Raises PhaseFailure if a required change does not merge.
    """
    plan, task = context.plan, command.task.id
    base, merged, notes = plan.base, list[Built](), list[str]()
    for built in sorted(command.wanted, key=lambda b: b.task not in command.required):
        result = build_base(
            context.objects,
            plan.base,
            (*merged, built),
            task=task,
            made_at=plan.settings.made_at,
        )
        if not isinstance(result, Conflict):
            base = result
            merged.append(built)
        elif built.task in command.required:
            paths = ", ".join(result.paths)
            reason = f"the changes it needs do not merge: {built.task} conflicts in {paths}"
            raise PhaseFailure(Outcome.REFUSED, reason)
        else:
            notes.append(f"not built on {built.task}, which does not merge into the base")
    return AttemptBase(commit=base, built_on=tuple(merged), notes=tuple(notes))
