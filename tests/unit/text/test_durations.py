"""Spans of time as people write them."""

from __future__ import annotations

import pytest

from concertmaster.text.durations import read_duration


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("90s", 90), ("45m", 2700), (" 1H30m ", 5400), ("1 h 30 min", 5400), ("45", 2700), ("1.5", 90)]
    + [
        (text, 0)
        for text in ("", "0", "soon", "-5m", "1e9", "nan", "m", "٤m", "1h" + " " * 9999 + "x")
    ],
)
def test_a_duration_is_read_as_people_write_it(written: str, seconds: float) -> None:
    assert read_duration(written) == seconds
