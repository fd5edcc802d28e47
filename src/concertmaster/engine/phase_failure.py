"""Declares the exception for a phase that did not meet its exit condition."""

from __future__ import annotations

from concertmaster.commands import RunPhase
from concertmaster.events import PhaseFailed
from concertmaster.model import MachineState, Outcome
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


def failed_phase(
    command: RunPhase, failure: PhaseFailure, *, machine: MachineState, notes: tuple[str, ...]
) -> PhaseFailed:
    """Return the event of the failed phase; `machine` is the state when it failed.

    `notes` follow those of the failure.
    """
    return PhaseFailed(
        task=command.task.id,
        attempt=command.attempt,
        phase=command.phase,
        seconds=0.0,
        outcome=failure.outcome,
        reason=failure.reason,
        evidence=failure.evidence,
        agent_failed=failure.agent_failed,
        resumes_at=failure.resumes_at,
        session=failure.session,
        saved=failure.saved,
        unsaved=failure.unsaved,
        machine=machine,
        notes=(*failure.notes, *notes),
    )


def outcome_of(ended: Exit) -> Outcome:
    """Return the outcome of an attempt whose command ended like this."""
    if ended.timed_out:
        return Outcome.TIMED_OUT
    if ended.stopped:
        return Outcome.CANCELLED
    return Outcome.LOST if ended.lost else Outcome.FAILED
