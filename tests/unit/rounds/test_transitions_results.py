"""Tests how results, the verdict and pull requests change the history of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from concertmaster.landing.fault import LandingFault
from concertmaster.model import Built, MachineState, Outcome, TaskState, Usage
from concertmaster.rounds import next_round, transitions
from concertmaster.rounds.history import GivenPull, TaskHistory
from concertmaster.rounds.result import Result, WorkResult
from tests.unit.rounds.histories import (
    AWAITING,
    BLOCKED,
    FAILED,
    LANDED,
    LEFT_OUT,
    NOW,
    SETTINGS,
    SUCCEEDED,
    done,
    history_of,
    left,
    make,
    need,
    states,
    verdict_of,
)

GIVEN = GivenPull(number=12, branch="topic", is_trusted=False)


# --- results and verdict -----------------------------------------------------------------------


def test_results_add_up_over_the_rounds() -> None:
    before = make("a", attempts=2, seconds=10.0, usage=Usage(cost_usd=1.0, input_tokens=5))
    usage = Usage(cost_usd=0.5, input_tokens=3)
    result = Result(task="a", state=SUCCEEDED, attempts=1, head="h", seconds=4.0, usage=usage)

    after = transitions.take_results(history_of(before), {"a": result}, lost={}).task("a")

    assert (after.attempts, after.seconds, after.head) == (3, 14.0, "h")
    assert after.usage == Usage(cost_usd=1.5, input_tokens=8)


def test_the_history_takes_all_that_the_last_result_says() -> None:
    result = Result(
        task="a",
        state=FAILED,
        reason="red",
        base="b",
        built_on=(Built(task="c", head="h"),),
        head="h",
        outcome=Outcome.LIMITED,
        attempts=1,
        work="w",
        notes=("n",),
        said="Done.",
        review="Fine",
        follow_ups=("More",),
        evidence="log",
        machine=MachineState(load=1.0),
        seconds=1.0,
        usage=Usage(cost_usd=1.0),
        resumes_at=5.0,
    )
    untold = make("a", fault=LandingFault.CULPRIT, notes=("old",))

    after = transitions.take_results(history_of(untold), {"a": result}, lost={}).task("a")

    assert after.take(WorkResult) == result.take(WorkResult)
    assert after.fault is None
    assert not [name for name, value in result.take(WorkResult).items() if not value]


def test_a_task_whose_share_was_lost_has_failed_and_others_stay() -> None:
    history = history_of(make("a"), done("b"))

    after = transitions.take_results(history, {}, lost={"a": "its job died"})

    assert states(after) == {"a": FAILED, "b": SUCCEEDED}
    assert after.task("a").outcome is Outcome.LOST
    assert after.task("a").reason == "its job died"


@pytest.mark.parametrize(
    ("fault", "state", "head"),
    [
        (LandingFault.CULPRIT, LEFT_OUT, "head-a"),
        (LandingFault.CONFLICT, LEFT_OUT, "head-a"),
        (LandingFault.STUCK, SUCCEEDED, "head-a"),
        (LandingFault.REFUSED, FAILED, ""),
    ],
)
def test_a_verdict_leaves_out(fault: LandingFault, state: TaskState, head: str) -> None:
    machine = MachineState(load=2.0)
    verdict = replace(verdict_of(left("a", fault)), machine=machine)
    after = transitions.take_verdict(history_of(done("a")), verdict)

    one = after.task("a")
    assert one.machine == machine
    assert (one.state, one.fault, one.head) == (state, fault, head)
    assert one.reason == "the check fails"
    assert after.check_seconds == 5.0


@pytest.mark.parametrize(
    "one",
    [
        make(
            "a", LEFT_OUT, head="h", fault=LandingFault.CLOSED, reason="its pull request was closed"
        ),
        make("a", AWAITING, head="h", pull=7),
        make("a", LANDED, head="h"),
        make("a", FAILED, reason="the agent failed"),
        make("a", BLOCKED, head="h", reason="needs b"),
    ],
    ids=lambda one: one.state,
)
def test_a_verdict_says_nothing_of_what_was_settled_before(one: TaskHistory) -> None:
    assert transitions.take_verdict(history_of(one), verdict_of(left("a"))).task("a") == one


@pytest.mark.parametrize("fault", [LandingFault.CULPRIT, LandingFault.CONFLICT])
def test_what_is_built_on_one_that_a_person_may_merge_waits_for_that(fault: LandingFault) -> None:
    first = make("a", AWAITING, head="h", pull=7)
    second = done("b", built_on=(Built(task="a", head="h"),))

    after = transitions.take_verdict(history_of(first, second), verdict_of(left("b", fault)))

    assert after.task("b").state is SUCCEEDED
    assert after.task("b").fault is LandingFault.STUCK
    assert next_round.find_due(after, SETTINGS, at=NOW) is None


def test_a_lost_need_blocks_all_behind_it_and_only_those() -> None:
    needs = (need("b", "a"), need("c", "b"), need("d", "a", hard=False), need("e", "a"))
    history = history_of(
        make("a", FAILED), done("b"), make("c"), done("d"), make("e", LANDED), needs=needs
    )

    after = transitions.block(history)

    assert states(after) == {"a": FAILED, "b": BLOCKED, "c": BLOCKED, "d": SUCCEEDED, "e": LANDED}
    assert after.task("c").reason == "needs b, which did not land"
    assert transitions.block(after) == after


# --- pull requests -----------------------------------------------------------------------------


SETTLED: list[tuple[TaskHistory, int, dict[str, bool], TaskState, LandingFault | None]] = [
    (make("a", AWAITING, pull=7, head="h"), 7, {"is_merged": True}, LANDED, None),
    (make("a", AWAITING, pull=7, head="h"), 7, {}, LEFT_OUT, LandingFault.CLOSED),
    (make("a", AWAITING, pull=7, head="h"), 7, {"is_open": True}, AWAITING, None),
    (make("a", AWAITING, pull=8, head="h"), 7, {"is_merged": True}, AWAITING, None),
    (make("a", AWAITING, head="h"), 9, {"is_merged": True}, LANDED, None),
    (make("a", AWAITING, pull=7, head="h"), 9, {"is_merged": True}, AWAITING, None),
    (make("a", LEFT_OUT, pull=7, fault=LandingFault.CLOSED), 7, {"is_merged": True}, LANDED, None),
    (make("a", LEFT_OUT, pull=7, fault=LandingFault.CLOSED), 7, {"is_open": True}, AWAITING, None),
    (make("a", LEFT_OUT, pull=7, fault=LandingFault.CLOSED), 7, {}, LEFT_OUT, LandingFault.CLOSED),
    (
        make("a", LEFT_OUT, pull=7, fault=LandingFault.CULPRIT),
        7,
        {},
        LEFT_OUT,
        LandingFault.CULPRIT,
    ),
    (make("a", LANDED, pull=7), 7, {}, LANDED, None),
    (make("a", SUCCEEDED, head="h"), 9, {}, SUCCEEDED, None),
]


@pytest.mark.parametrize(("one", "pull", "found", "state", "fault"), SETTLED)
def test_a_pull_request_settles_the_tasks_that_hang_on_it(
    one: TaskHistory,
    pull: int,
    found: Mapping[str, bool],
    state: TaskState,
    fault: LandingFault | None,
) -> None:
    is_open, is_merged = found.get("is_open", False), found.get("is_merged", False)
    history = history_of(one, pull=9)  # 9 is the single pull request of the run

    after = transitions.settle_pull(history, pull, is_open=is_open, is_merged=is_merged)

    assert (after.task("a").state, after.task("a").fault) == (state, fault)
    again = transitions.settle_pull(after, pull, is_open=is_open, is_merged=is_merged)
    assert again == after


# --- pull requests of others -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        (LandingFault.CULPRIT, LEFT_OUT),
        (LandingFault.CONFLICT, LEFT_OUT),
        (LandingFault.HELD, LEFT_OUT),
        (LandingFault.REFUSED, LEFT_OUT),
        (LandingFault.STUCK, SUCCEEDED),
    ],
)
def test_a_pull_request_of_others_is_left_out_and_never_worked_on(
    fault: LandingFault, state: TaskState
) -> None:
    history = history_of(done("a", given=GIVEN))

    after = transitions.take_verdict(history, verdict_of(left("a", fault)))

    one = after.task("a")
    assert (one.state, one.fault, one.head) == (state, fault, "head-a")
    for by_person in (False, True):
        todo = next_round.choose_todo(after, SETTINGS, by_person=by_person)
        assert todo.work == ()
        assert bool(todo.carried) == (state is SUCCEEDED)
    assert after.failures == ()
