"""How long a usage limit pauses the run, by what its message says."""

from __future__ import annotations

from concertmaster.commands import AwaitTime, Command, RunPhase
from concertmaster.events import BaseChecked, PauseEnded, PhaseFailed, PhaseFinished, RunStarted
from concertmaster.model import Outcome
from concertmaster.run.state import RunState
from concertmaster.run.state_machine import begin_run, handle
from concertmaster.settings.choices import Phase
from tests.simulator import make_plan

START = 1000.0
PREPARED = PhaseFinished(
    task="a", attempt=1, phase=Phase.PREPARE, seconds=1.0, checkpoint="base", folder="f"
)


def begin() -> RunState:
    """The state in which the agent of the only task runs."""
    state = begin_run(make_plan("a"))
    base = BaseChecked(tree="t", passed=True, reason="", seconds=1.0, tip="base", at=START)
    for event in (RunStarted(run="r", at=START), base, PREPARED):
        state, commands = handle(state, event)
    assert [c.phase for c in commands if isinstance(c, RunPhase)] == [Phase.IMPLEMENT]
    return state


def meet_limit(state: RunState, at: float, resumes_at: float) -> tuple[RunState, float]:
    """The state after the limit, and when the run goes on."""
    limited = PhaseFailed(
        task="a",
        attempt=1,
        phase=Phase.IMPLEMENT,
        seconds=1.0,
        outcome=Outcome.LIMITED,
        reason="limit",
        resumes_at=resumes_at,
        at=at,
    )
    state, commands = handle(state, limited)
    (pause,) = [c for c in commands if isinstance(c, AwaitTime)]
    return state, pause.until


def end_pause(state: RunState, at: float) -> tuple[RunState, tuple[Command, ...]]:
    return handle(state, PauseEnded(at=at))


def count_starts(seconds: float, *, resumes_after: float) -> int:
    """How often the agent starts while a limit is told to end at once, and does not."""
    state, now, starts = begin(), START, 1
    while True:
        state, until = meet_limit(state, now + 0.1, now + 0.1 + resumes_after)
        now = until
        if now > START + seconds:
            return starts
        state, commands = end_pause(state, now)
        starts += sum(isinstance(c, RunPhase) for c in commands)


def test_the_first_pause_ends_when_the_message_says() -> None:
    state, until = meet_limit(begin(), START, START + 7)

    assert until == START + 7
    assert not state.stopped


def test_a_limit_whose_end_has_just_passed_makes_no_pause_once() -> None:
    _, until = meet_limit(begin(), START, START - 30)

    assert until == START


def test_pauses_that_did_not_help_grow() -> None:
    assert count_starts(50, resumes_after=-30) == 4
    assert count_starts(50, resumes_after=0.3) == 4
    assert count_starts(3600, resumes_after=0) < 12


def test_a_later_end_than_the_least_is_kept() -> None:
    state, until = meet_limit(begin(), START, START)
    state, _ = end_pause(state, until)

    assert meet_limit(state, START + 1, START + 500)[1] == START + 500


def test_work_that_got_done_between_two_limits_begins_anew() -> None:
    state, until = meet_limit(begin(), START, START)
    state, _ = end_pause(state, until)
    done = PhaseFinished(
        task="a", attempt=1, phase=Phase.IMPLEMENT, seconds=1.0, checkpoint="work", at=START
    )
    state, _ = handle(state, done)

    assert state.pauses == 0
