"""Declares the exception for a phase that did not meet its exit condition."""

from __future__ import annotations

from collections.abc import Sequence

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


def nothing_changed(notes: Sequence[str], *, last_words: str = "") -> str:
    """Return the reason of a phase without a change.

    The notes tell what the agent has left elsewhere.
    """
    reason = "the agent ended without changing anything, and gave no reason in the form"
    if notes:
        reason = (
            "the agent changed no file that git tracks, and left work elsewhere, which the notes "
            "name; it gave no reason in the form"
        )
    return reason + f" that it was asked for; its last words: {last_words}" * bool(last_words)


def outcome_of(ended: Exit) -> Outcome:
    """Return the outcome of an attempt whose command ended like this."""
    if ended.timed_out:
        return Outcome.TIMED_OUT
    if ended.stopped:
        return Outcome.CANCELLED
    return Outcome.LOST if ended.lost else Outcome.FAILED
