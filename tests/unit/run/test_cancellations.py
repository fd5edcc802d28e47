"""One task of a run is cancelled at any moment; the others go on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from concertmaster.commands import LandBatch, StopAttempt
from concertmaster.events import RunStarted, TaskCancelled
from concertmaster.landing.merge_queue import Landing, QueuedTask
from concertmaster.landing.withdrawal import withdraw
from concertmaster.model import TaskState
from concertmaster.run.cancellations import REASON
from concertmaster.run.state import RunState
from concertmaster.run.state_machine import handle
from concertmaster.settings.choices import LandingMode
from tests.simulator import Disturbance, Simulator, make_plan

PLAN = make_plan("abc", hard=["ba"], slots=3)
LAST_STEP = 24
Ends = dict[str, tuple[TaskState, str]]


def play(step: int, *, crash: bool, order: int) -> Simulator:
    """Cancel `a` before the answer of this step; with `crash` the process dies just then."""
    disturbance = Disturbance(
        cancelled={step: "a"}, crashes=frozenset({step} if crash else ()), resumes=0
    )
    simulator = Simulator(PLAN, disturbance=disturbance, order=[order] * 200)
    simulator.run()
    return simulator


def is_landing(simulator: Simulator, task: str) -> bool:
    return any(isinstance(one, LandBatch) and task in one.tasks for one in simulator.pending)


def ends(state: RunState) -> Ends:
    return {key: (one.state, one.reason) for key, one in state.tasks.items()}


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("crash", [False, True])
def test_a_task_that_is_cancelled_at_any_moment_ends_or_is_landing_already(
    order: int, crash: bool
) -> None:
    seen = set[TaskState]()
    for step in range(LAST_STEP):
        simulator = play(step, crash=crash, order=order)
        found = ends(simulator.state)
        seen.add(found["a"][0])

        assert found["c"] == (TaskState.LANDED, "")
        if found["a"][0] is TaskState.LANDED:
            assert found["b"] == (TaskState.LANDED, "")
        else:
            assert found["a"][1] == REASON
            assert found["b"] == (TaskState.BLOCKED, "needs a, which was cancelled")
            assert not simulator.state.tasks["a"].work or simulator.state.tasks["a"].kept_on
    assert seen == {TaskState.FAILED, TaskState.LEFT_OUT, TaskState.LANDED}


@pytest.mark.parametrize("order", [0, 1])
def test_a_process_that_dies_just_then_and_its_successor_decide_the_same(order: int) -> None:
    for step in range(LAST_STEP):
        calm, rough = (play(step, crash=crash, order=order) for crash in (False, True))

        ends_of_a = [one.state.tasks["a"].state for one in (calm, rough)]
        is_landed = [state is TaskState.LANDED for state in ends_of_a]
        assert is_landed[0] is is_landed[1], step


def test_a_result_that_may_be_on_the_target_is_not_called_lost_after_a_crash() -> None:
    simulator = Simulator(PLAN, order=[1] * 200)
    simulator.happen(RunStarted(run="run"))
    while not is_landing(simulator, "a"):
        simulator.answer_one()
    simulator.happen(TaskCancelled(task="a"))
    simulator.crash()  # after the target has moved
    while not simulator.state.finished:
        simulator.answer_one()

    assert "a" in simulator.landed
    assert not simulator.state.ending


def test_the_prefix_that_has_passed_lands_without_the_task_behind_it() -> None:
    members = [
        QueuedTask(task=k, title=k, base="", head=k, built_on=(), needs=frozenset(), risk=0.1)
        for k in "abcd"
    ]
    landing = Landing(batch=tuple(members), passed=2, failed=4, commit="ab")

    assert withdraw(landing, "z") == landing
    assert withdraw(landing, "d").batch == tuple(members[:2])
    assert withdraw(landing, "d").failed is None
    assert withdraw(landing, "b").batch == ()


@pytest.mark.parametrize(
    ("task", "mode"), [("nobody", LandingMode.MERGE), ("a", LandingMode.BRANCHES)]
)
def test_a_task_that_is_unknown_or_done_is_left_as_it_is(task: str, mode: LandingMode) -> None:
    ended = Simulator(make_plan("a", landing=mode))
    ended.run()

    before = replace(ended.state, finished=False)
    assert handle(before, TaskCancelled(task=task))[0].tasks["a"] == ended.state.tasks["a"]


def test_the_agent_of_a_cancelled_task_is_stopped_once() -> None:
    simulator = Simulator(PLAN)
    simulator.happen(RunStarted(run="run"))
    while not simulator.state.tasks["a"].attempts:
        simulator.answer_one()
    for _ in range(2):
        simulator.happen(TaskCancelled(task="a"))

    assert [*simulator.asked(StopAttempt)] == [StopAttempt(task="a", attempt=1)]
