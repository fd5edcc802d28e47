"""Counts the calls in a row that GitHub did not answer, up to their last try."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from concertmaster.errors import EnvironmentFault
from concertmaster.github.errors import GivenUp
from concertmaster.retry import TransientFault

MOST_UNANSWERED = 3
RECOVERY_SECONDS = 300.0


class Breaker:
    """A circuit breaker: it opens after three calls in a row that were tried in vain.

    Calls inside of a call, such as its look-ups, count as one with it.
    """

    def __init__(self) -> None:
        self.unanswered = 0  # calls in a row
        self.has_waited = False
        self._depth = 0

    @property
    def is_open(self) -> bool:
        """Return whether no further call is to be tried."""
        return self.has_waited and self.unanswered >= MOST_UNANSWERED

    @property
    def wants_to_wait(self) -> bool:
        """Return whether the time has come for the one long wait."""
        return not self.has_waited and self.unanswered >= MOST_UNANSWERED

    def allow_last_try(self) -> None:
        """Note that the long wait is over. The next call decides."""
        self.has_waited, self.unanswered = True, MOST_UNANSWERED - 1

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count the end of a call. A refusal is an answer too."""
        self._depth += 1
        found = self.unanswered
        try:
            yield
            found = 0
        except (TransientFault, GivenUp):
            found += 1
            raise
        except EnvironmentFault:
            found = 0
            raise
        finally:
            self._depth -= 1
            if self._depth == 0:
                self.unanswered = found
