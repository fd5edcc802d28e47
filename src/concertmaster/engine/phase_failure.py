"""Declares the exception for a phase that did not meet its exit condition."""

from __future__ import annotations

from concertmaster.model import Outcome
from concertmaster.sandbox.exit_status import Exit


class PhaseFailure(Exception):
    """A phase did not meet its exit condition; the arguments are the fields of PhaseFailed."""

    def __init__(
        self,
        outcome: Outcome,
        reason: str,
        *,
        evidence: str = "",
        saved: str = "",
        unsaved: bool = False,
        agent_failed: bool = False,
        resumes_at: float = 0.0,
        session: str = "",
        notes: tuple[str, ...] = (),
    ) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason
        self.evidence = evidence
        self.saved = saved
        self.unsaved = unsaved
        self.agent_failed = agent_failed
        self.resumes_at = resumes_at
        self.session = session
        self.notes = notes


def outcome_of(ended: Exit) -> Outcome:
    """Return the outcome of an attempt whose command ended like this."""
    if ended.timed_out:
        return Outcome.TIMED_OUT
    if ended.stopped:
        return Outcome.CANCELLED
    return Outcome.LOST if ended.lost else Outcome.FAILED
