"""Defines what an examination of the machine finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorFinding:
    """The result of one examination.

    If it is not needed, it does not make the machine unfit.
    """

    name: str
    is_fine: bool
    words: str
    next_step: str = ""
    is_needed: bool = True

    def sentence(self) -> str:
        """Return one line, and a second one with the next step if there is one."""
        sign = "ok" if self.is_fine else "no" if self.is_needed else "--"
        advice = f"\n      next: {self.next_step}" if self.next_step else ""
        return f"{sign}  {self.name}: {self.words}{advice}"
