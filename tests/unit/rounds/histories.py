"""Builds histories, plans and verdicts for the tests of transitions."""

from __future__ import annotations

from typing import Any

from concertmaster.landing.fault import LandingFault
from concertmaster.model import Need, Outcome, Plan, RunSettings, TaskState
from concertmaster.rounds import next_round
from concertmaster.rounds.history import History, TaskHistory, by_name
from concertmaster.rounds.next_round import RoundTodo
from concertmaster.rounds.verdict import LeftOutTask, Verdict
from tests.journals import make_task

NOW = 1_000_000.0
SETTINGS = RunSettings(agent="command")
AWAITING, BLOCKED, FAILED = TaskState.AWAITING_MERGE, TaskState.BLOCKED, TaskState.FAILED
LANDED, LEFT_OUT, SUCCEEDED = TaskState.LANDED, TaskState.LEFT_OUT, TaskState.SUCCEEDED
WAITING = TaskState.WAITING


def make(key: str, state: TaskState = WAITING, **more: Any) -> TaskHistory:
    return TaskHistory(task=key, title=key, prompt=f"{key}.md", blob="0", state=state, **more)


def done(key: str, **more: Any) -> TaskHistory:
    """Return a task that succeeded and whose commit has not landed yet."""
    return make(key, SUCCEEDED, head=f"head-{key}", **more)


def need(task: str, on: str, *, hard: bool = True) -> Need:
    return Need(task=task, on=on, hard=hard, reason="it says so")


def history_of(*tasks: TaskHistory, needs: tuple[Need, ...] = (), **more: Any) -> History:
    known: dict[str, Any] = {"run": "r", "round": 1, "trigger": "c1", "parent": 1}
    known |= {"base": "b", "target": "main"}
    return History(tasks=by_name(tasks), needs=needs, **{**known, **more})


def plan_of(*keys: str, **more: Any) -> Plan:
    tasks = tuple(make_task(key) for key in keys)
    known: dict[str, Any] = {"run": "r", "base": "b", "target": "main", "slots": 4}
    return Plan(settings=SETTINGS, tasks=tasks, order=keys, **known, **more)


def verdict_of(*left_out: LeftOutTask) -> Verdict:
    return Verdict(
        run="r",
        round=1,
        target="main",
        tip="t",
        git_version="2",
        left_out=left_out,
        check_seconds=5.0,
    )


def left(task: str, fault: LandingFault = LandingFault.CULPRIT) -> LeftOutTask:
    return LeftOutTask(task=task, fault=fault, reason="the check fails")


def states(history: History) -> dict[str, TaskState]:
    return {key: one.state for key, one in history.tasks.items()}


def choose(history: History, *, by_person: bool = False, named: tuple[str, ...] = ()) -> RoundTodo:
    return next_round.choose_todo(history, SETTINGS, by_person=by_person, named=named)


LIMITED = make("a", outcome=Outcome.LIMITED)
