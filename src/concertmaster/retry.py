"""Retries calls; the only user of tenacity."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    retry_if_result,
    stop_after_attempt,
    stop_after_delay,
    wait_exponential,
)

T = TypeVar("T")


class TransientFault(Exception):
    """A failure that may pass when the call is repeated, not before `seconds` have passed."""

    def __init__(self, reason: str, *, seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.seconds = seconds


def retry_while(is_passing: Callable[[T], bool], call: Callable[[], T], *, seconds: float) -> T:
    """Call until the answer is not passing, for at most `seconds`; return the last answer."""
    retrying = Retrying(
        retry=retry_if_result(is_passing),
        stop=stop_after_delay(seconds),
        wait=wait_exponential(multiplier=0.05, max=0.5),
        retry_error_callback=_last_answer,
    )
    answer: T = retrying(call)
    return answer


def retry_on_transient(
    call: Callable[[int], T],
    *,
    tries: int,
    first_wait_seconds: float,
    longest_wait_seconds: float,
    sleep: Callable[[float], None],
) -> T:
    """Return the result of `call`, which gets the number of the try, from 1.

    Raises the TransientFault of the last try if all of them fail.
    """

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.seconds if isinstance(error, TransientFault) else 0.0
        doubled = first_wait_seconds * 2.0 ** (state.attempt_number - 1)
        return float(min(longest_wait_seconds, max(asked, doubled)))

    retrying = Retrying(
        retry=retry_if_exception_type(TransientFault),
        stop=stop_after_attempt(tries),
        wait=wait,
        sleep=sleep,
        reraise=True,
    )
    for attempt in retrying:
        with attempt:
            return call(attempt.retry_state.attempt_number)
    raise AssertionError("tenacity gave no attempt")


def _last_answer(state: RetryCallState) -> object:
    assert state.outcome is not None
    return state.outcome.result()
