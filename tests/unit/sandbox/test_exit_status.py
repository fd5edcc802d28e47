"""The end of a command is described in a few words."""

from __future__ import annotations

import signal

import pytest

from concertmaster.sandbox.exit_status import Exit


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        (Exit(code=0), "exit 0"),
        (Exit(signal=signal.SIGKILL), "killed by SIGKILL"),
        (Exit(signal=63), "killed by signal 63"),
        (Exit(timed_out=True, signal=15, seconds=2702), "timed out after 45 min"),
        (Exit(timed_out=True, signal=15, seconds=0.5), "timed out after 0.5 s"),
        (Exit(lost=True), "lost: its guard process was killed"),
    ],
)
def test_an_end_is_described_in_a_few_words(ended: Exit, words: str) -> None:
    assert ended.describe() == words
