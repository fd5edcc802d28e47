"""Real agents through whole runs, with a scripted model that works, fails or is not there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.real_agents.conftest import CELL
from tests.real_agents.programs import RealAgent
from tests.real_agents.runs import Case, Result, play
from tests.real_agents.server import Fault

pytestmark = pytest.mark.agents


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What has to come of a case, the same for each task and attempt.

    `most_starts` counts each start of the agent's program.
    """

    state: str
    attempt: str  # its outcome
    most_starts: int
    limits: int = 0
    words: str = ""  # in the report


WORK = "WRITE t0.txt := hello"
LANDED = Outcome(state="landed", attempt="succeeded", most_starts=1)
PATIENT = Outcome(state="landed", attempt="succeeded", most_starts=3)
CASES: dict[str, tuple[Case, Outcome]] = {
    "limit": (
        Case(tasks=[WORK], fault=Fault(kind="limit")),
        Outcome(state="landed", attempt="succeeded", most_starts=2, limits=1),
    ),
    "overload": (Case(tasks=[WORK], fault=Fault(kind="overload", times=1)), PATIENT),
    "cut stream": (Case(tasks=[WORK], fault=Fault(kind="cut", times=1)), PATIENT),
    "bad key": (
        Case(
            tasks=[WORK.replace("t0", f"t{number}") for number in range(10)],
            fault=Fault(kind="bad_key"),
            slots=4,
        ),
        Outcome(state="waiting", attempt="no_access", most_starts=4, words="no access"),
    ),
    "unknown model": (
        Case(tasks=[WORK], fault=Fault(kind="no_model")),
        Outcome(state="waiting", attempt="no_access", most_starts=1, words="no access"),
    ),
    "no change": (
        Case(tasks=[f"{WORK}\nNO_CHANGE"], attempts=1),
        Outcome(state="failed", attempt="failed", most_starts=1, words="left all as it was"),
    ),
    "prose review": (
        Case(tasks=[f"{WORK}\nPROSE"], phases="implement,review", attempts=1),
        Outcome(state="failed", attempt="failed", most_starts=3, words="no verdict"),
    ),
    "no network": (
        Case(tasks=[WORK], is_offline=True, attempts=1),
        Outcome(state="failed", attempt="failed", most_starts=3),
    ),
    "all phases": (
        Case(
            tasks=["WRITE t0.txt := hello\nREJECT_ONCE", "WRITE t1.txt := hello"],
            phases="full",
        ),
        Outcome(state="landed", attempt="succeeded", most_starts=11),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_agent_comes_to_the_right_end(
    agent: RealAgent, case: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    played, wanted = CASES[case]
    if case == "limit":
        played = replace(played, fault=Fault(kind="limit", seconds=agent.limit_seconds))
        wanted = replace(wanted, limits=0 if agent.waits_for_limits else 1)

    result = play(agent, played, tmp_path)

    record_property(CELL, (case, agent.name, f"{result.outcome}, {result.seconds:.0f} s"))
    check(result, wanted)


def check(result: Result, wanted: Outcome) -> None:
    tasks = result.report["tasks"]
    attempts = [attempt for task in tasks for attempt in task["attempts"]]
    assert {task["state"] for task in tasks} == {wanted.state}, result.words
    assert {attempt["outcome"] for attempt in attempts} == {wanted.attempt}, result.words
    assert all(len(task["attempts"]) <= 1 for task in tasks)
    assert 1 <= result.starts <= wanted.most_starts
    assert wanted.words in result.words
    assert result.limits == wanted.limits
