"""The live view and the lines of a run that goes on."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console as RichConsole

from concertmaster.model import Exclusion, Need, Plan
from concertmaster.run import state_machine
from concertmaster.run.state import RunState
from concertmaster.terminal.live import BEAT_SECONDS, Board, Lines
from tests import journals
from tests.journals import START, make_plan, make_task

KEYS = [f"task-number-{n:02}-with-a-long-name-{n:04x}" for n in range(40)]
SEEN_FROM = 1_000.0


def forty(slots: int = 8) -> Plan:
    plan = make_plan(tasks=[make_task(key) for key in KEYS])
    return replace(
        plan,
        slots=slots,
        order=tuple(KEYS),
        needs=(Need(task=KEYS[20], on=KEYS[0], hard=True, reason="x"),),
        exclusions=(Exclusion(tasks=(KEYS[1], KEYS[21]), probability=0.9, reason="y"),),
    )


def state_of(plan: Plan, *more: object) -> RunState:
    return state_machine.fold_events(plan, (*journals.begin(), *more))  # type: ignore[arg-type]


def draw(board: Board, *, width: int, height: int) -> list[str]:
    out = io.StringIO()
    console = RichConsole(file=out, width=width, height=height, force_terminal=True, no_color=True)
    board._console = console
    console.print(board)
    return out.getvalue().splitlines()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (160, 50), (60, 10)])
def test_forty_tasks_fit_on_the_screen_without_a_broken_word(width: int, height: int) -> None:
    board = Board(RichConsole(file=io.StringIO()))
    board.update(state_of(forty()), journals.begin()[1])
    for key in KEYS[:8]:
        board.activity(key, "reads src/a/long/path/of/a/module.py and thinks about what it says")

    lines = draw(board, width=width, height=height)

    assert len(lines) < height
    assert all(len(line) < width for line in lines)
    told = " ".join(lines).replace("\u2026", " ").split()
    assert {"src/a/long/path/of/a/module.py"} >= {word for word in told if word.startswith("src/")}
    assert any("8 running" in line for line in lines)


def test_the_board_says_what_waiting_tasks_wait_for() -> None:
    board = Board(RichConsole(file=io.StringIO()))
    board.update(state_of(forty()), journals.begin()[1])

    lines = draw(board, width=160, height=50)

    assert f"waiting: {KEYS[20]} for {KEYS[0]}" in lines
    assert f"waiting: {KEYS[21]} for {KEYS[1]}" in lines
    assert "waiting: 30 tasks for a free slot" in lines


def test_the_last_activity_belongs_to_the_present_phase() -> None:
    board = Board(RichConsole(file=io.StringIO()))
    plan = forty(slots=1)
    first = journals.succeed(KEYS[0], at=2)
    board.update(state_of(plan, *first[:1]), first[0])
    board.activity(KEYS[0], "edits a.py")
    assert any("edits a.py" in line for line in draw(board, width=120, height=30))

    board.update(state_of(plan, *first[:2]), first[1])

    assert not any("edits a.py" in line for line in draw(board, width=120, height=30))


def test_a_run_without_news_gives_a_sign_of_life_each_minute() -> None:
    told: list[str] = []
    now = [START]
    lines = Lines(told.append, now=lambda: now[0])
    lines.update(state_of(forty(slots=1)), journals.begin()[0])
    told.clear()

    for seconds in (BEAT_SECONDS - 1, BEAT_SECONDS + 1, BEAT_SECONDS + 2):
        now[0] = START + seconds
        lines.beat()

    (line,) = told
    assert f"still running: {KEYS[0]} (prepare for 1m 01s)" in line
    assert "merge queue: waiting for results" in line


def test_a_long_check_of_the_base_shows_that_it_lives() -> None:
    told: list[str] = []
    now = [START]
    lines = Lines(told.append, now=lambda: now[0])
    opening = journals.begin()[0]
    lines.update(state_machine.fold_events(forty(), [opening]), opening)

    now[0] = START + 90
    lines.beat()

    assert told[-1].endswith("merge queue: checking the base for 1m 30s")


def test_a_notice_is_told_at_once() -> None:
    told: list[str] = []
    Lines(told.append).notice("interrupted: stopping the agents")

    assert told == ["interrupted: stopping the agents"]
