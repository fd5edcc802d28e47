"""The order of an attempt's phases and what a failed one means."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from concertmaster.core.model import LEAN_PHASES, Outcome, Phase
from concertmaster.errors import UsageError

# A further attempt may go better after these; the others would only repeat.
WORTH_ANOTHER_ATTEMPT = frozenset({Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST})

# The run must stop starting agents after these; the attempt does not count.
STOPS_THE_RUN = frozenset({Outcome.LIMITED, Outcome.OVER_BUDGET})


# Those that the engine can perform.
AVAILABLE = frozenset(LEAN_PHASES)


def refuse_missing(wanted: Collection[Phase], *, source: str) -> None:
    """Raises UsageError for a phase that is not there yet; `source` says who asks for it."""
    missing = [phase for phase in Phase if phase in wanted and phase not in AVAILABLE]
    if missing:
        raise UsageError(
            f"{source} asks for the phases {', '.join(missing)}, which are not there yet",
            why=f"this version can do {', '.join(phase for phase in Phase if phase in AVAILABLE)}",
            next_step="use `lean`",
        )


def select(wanted: Collection[Phase]) -> tuple[Phase, ...]:
    """The phases to run, in order; prepare, implement, test and deliver are always in."""
    return tuple(phase for phase in Phase if phase in LEAN_PHASES or phase in wanted)


def next_phase(phases: Sequence[Phase], *, done: Collection[Phase], no_op: bool) -> Phase | None:
    """The first phase without its evidence; None when the attempt has succeeded.

    An agent that found nothing to change ends the attempt: there is no tree to test or deliver.
    """
    if no_op:
        return None
    return next((phase for phase in phases if phase not in done), None)
