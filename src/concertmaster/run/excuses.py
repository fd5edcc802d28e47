"""Excuses a failed check in which only tests failed that are known to fail at random."""

from __future__ import annotations

from dataclasses import replace

from concertmaster.events import BatchChecked
from concertmaster.landing.flake_rules import count_confirmations, is_known_flake
from concertmaster.landing.merge_queue import CONFIRMATIONS, Landing, PendingStep, record_check


def judge_check(landing: Landing, event: BatchChecked) -> Landing:
    """Return the state after a check.

    A failure that is excused counts for nothing, and the same prefix is checked again. A test that
    fails each time is excused no more.
    """
    most = count_confirmations(landing.known, least=CONFIRMATIONS)
    is_excused = not (event.passed or event.cached) and landing.excused < most
    if is_excused and is_known_flake(landing.known, event.failing):
        return replace(landing, asked=PendingStep.NOTHING, excused=landing.excused + 1)
    return replace(record_check(landing, event), excused=0)
