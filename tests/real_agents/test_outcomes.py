"""Real agents through whole runs, with a scripted model that works, fails or is not there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.real_agents.conftest import CELL
from tests.real_agents.model import PHASES
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
    if case == "bad key":
        check_refusal(result, slots=played.slots)


def check(result: Result, wanted: Outcome) -> None:
    tasks = result.report["tasks"]
    attempts = [attempt for task in tasks for attempt in task["attempts"]]
    assert {task["state"] for task in tasks} == {wanted.state}, result.words
    assert {attempt["outcome"] for attempt in attempts} == {wanted.attempt}, result.words
    assert all(len(task["attempts"]) <= 1 for task in tasks)
    assert 1 <= result.starts <= wanted.most_starts
    assert wanted.words in result.words
    assert result.limits == wanted.limits


def check_refusal(result: Result, *, slots: int) -> None:
    """Assert that the first rejected key ended all, in one message."""
    begun = [task for task in result.report["tasks"] if task["attempts"]]
    assert len(begun) <= slots
    assert result.late_starts == 0
    reason = result.report["reason"]
    assert {task["reason"] for task in begun} == {reason}
    shown = result.shown()
    assert shown.count("no access to its model") == 1, shown


def test_each_agent_goes_through_all_phases_of_two_tasks_at_once(
    agent: RealAgent, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    tasks = ["WRITE t0.txt := hello\nREJECT_ONCE", "WRITE t1.txt := hello"]

    result = play(agent, Case(tasks=tasks, phases="full", meeting=2), tmp_path)

    words = f"{result.outcome}, {result.seconds:.0f} s"
    record_property(CELL, ("all phases with a requested change", agent.name, words))
    record_property(CELL, ("two tasks at once", agent.name, f"{result.met} at once"))
    record_property(CELL, ("resume of a session", agent.name, _resumes(agent, result)))
    check(result, Outcome(state="landed", attempt="succeeded", most_starts=11))
    assert {turn.phase for turn in result.turns} >= {"research", "implement", "review"}
    assert result.met == len(tasks)
    assert _remembers(result) == agent.has_sessions


def _remembers(result: Result) -> bool:
    """Return whether the agent that mends still knows what it was told before."""
    mends = [turn for turn in result.turns if turn.phase == "mend"]
    return bool(mends) and all(PHASES["implement"] in turn.history for turn in mends)


def _resumes(agent: RealAgent, result: Result) -> str:
    if not agent.has_sessions:
        return "it has no sessions; what was done is told anew"
    return "goes on" if _remembers(result) else "it forgot what it was told"
