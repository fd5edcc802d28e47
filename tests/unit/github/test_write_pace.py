from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from concertmaster.github.write_pace import WritePace

# GitHub's limits: seconds, and the most creations within them.
LIMITS = ((60.0, 80), (3600.0, 500))


@dataclass
class Clock:
    seconds: float = 1_000.0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


WRITES = st.lists(st.tuples(st.integers(1, 20), st.floats(0, 10)), max_size=120)


@given(WRITES)
def test_writes_of_any_size_and_length_stay_inside_githubs_limits(
    writes: list[tuple[int, float]],
) -> None:
    """GitHub may count the creations of a request at its start or at its end."""
    clock = Clock()
    pace = WritePace(clock)
    begins: list[float] = []
    ends: list[float] = []
    for creations, lasts in writes:
        with pace.turn(creations):
            begins += [clock.seconds] * creations
            clock.seconds += lasts
        ends += [clock.seconds] * creations

    for times in (begins, ends):
        for seconds, most in LIMITS:
            for place, time in enumerate(times):
                since = bisect_right(times, time - seconds + 1e-6)
                assert place + 1 - since <= most


def test_there_is_a_second_between_two_writes() -> None:
    clock = Clock()
    pace = WritePace(clock)
    for _ in range(3):
        with pace.turn():
            pass

    assert clock.seconds == 1_002.0


def test_a_write_that_fails_counts_too() -> None:
    clock = Clock()
    pace = WritePace(clock)
    try:
        with pace.turn():
            raise OSError
    except OSError:
        pass

    assert pace.seconds_until(1) == 1.0


def test_only_waits_that_a_person_notices_are_told() -> None:
    clock, told = Clock(), list[str]()
    pace = WritePace(clock, told=told.append)
    for _ in range(5):
        with pace.turn(20):
            pass

    assert told == ["waiting 58.0s to stay inside GitHub's limits"]
