"""Defines why a result does not land, as a value that programs compare and people read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from concertmaster.text.display import shorten_id


class LandingFault(StrEnum):
    """The reason why a result may not land now."""

    CULPRIT = "culprit"  # the check fails with it
    CONFLICT = "conflict"  # it does not merge
    REFUSED = "refused"  # the path policy or a check of the result forbids it
    STUCK = "stuck"  # something else stops it, such as a need
    CLOSED = "closed"  # a person closed its pull request
    HELD = "held"  # what its merge changes is for a person to merge
    UNASKED = "unasked"  # the run was asked to land nothing

    @property
    def is_repairable(self) -> bool:
        """Return whether an agent can mend the result on the new target."""
        return self in (LandingFault.CULPRIT, LandingFault.CONFLICT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """The fault of one task in the merge queue, with the data that its kind has."""

    kind: LandingFault
    told: str = ""  # by the failed check
    tip: str = ""  # the target's commit on which the check failed
    behind: tuple[str, ...] = ()  # the tasks that were merged before it
    is_checked: bool = True  # it passes the check on its own base
    paths: tuple[str, ...] = ()  # that conflict, or that a person has to look at
    classes: tuple[str, ...] = ()  # why a person has to look at each of the paths

    def describe(self) -> str:
        """Return the fault in one sentence."""
        match self.kind:
            case LandingFault.CONFLICT:
                return f"does not merge onto the target: conflict in {', '.join(self.paths)}"
            case LandingFault.CULPRIT:
                behind = f" with {', '.join(self.behind)}" if self.behind else ""
                verdict = "passes on its own base, but not" if self.is_checked else "does not pass"
                return f"{verdict} on the target at {shorten_id(self.tip)}{behind}: {self.told}"
            case LandingFault.HELD | LandingFault.REFUSED if self.told:
                return f"merged onto the target, it changes {self.told}"
            case _:
                return self.told
