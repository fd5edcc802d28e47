"""Tests what the next round has to do, when it is due and how it begins."""

from __future__ import annotations

from dataclasses import replace

import pytest

from concertmaster.landing.fault import LandingFault
from concertmaster.model import Outcome
from concertmaster.rounds import next_round
from concertmaster.rounds.evidence import add_evidence, evidence_of
from concertmaster.rounds.history import Due, History, TaskHistory
from concertmaster.rounds.next_round import RoundTodo
from concertmaster.settings.choices import LandingMode
from tests.unit.rounds.histories import (
    AWAITING,
    BLOCKED,
    FAILED,
    LANDED,
    LEFT_OUT,
    LIMITED,
    NOW,
    SETTINGS,
    SUCCEEDED,
    WAITING,
    choose,
    done,
    history_of,
    make,
    need,
    plan_of,
)

# --- the next round ----------------------------------------------------------------------------


ONE: list[tuple[TaskHistory, str, str]] = [  # in an own round, in a round by a person
    (make("a"), "work", "work"),
    (done("a"), "carried", "carried"),
    (make("a", SUCCEEDED), "", ""),
    (make("a", LANDED, head="h"), "", ""),
    (make("a", AWAITING, head="h", pull=7), "", ""),
    (make("a", FAILED), "", "work"),
    (make("a", FAILED, fault=LandingFault.REFUSED), "", "work"),
    (make("a", LEFT_OUT, fault=LandingFault.CULPRIT), "work", "work"),
    (make("a", LEFT_OUT, fault=LandingFault.CONFLICT), "work", "work"),
    (make("a", LEFT_OUT, fault=LandingFault.CULPRIT, repairs=1), "work", "work"),
    (make("a", LEFT_OUT, fault=LandingFault.CULPRIT, repairs=2), "", "work"),
    (make("a", LEFT_OUT, fault=LandingFault.CLOSED), "", "work"),
    (make("a", BLOCKED), "work", "work"),
]


@pytest.mark.parametrize(("one", "by_us", "by_person"), ONE)
def test_what_is_done_with_a_task_of_this_state(
    one: TaskHistory, by_us: str, by_person: str
) -> None:
    kinds = {"": RoundTodo(work=(), carried=()), "work": RoundTodo(work=("a",), carried=())}
    kinds["carried"] = RoundTodo(work=(), carried=("a",))
    assert choose(history_of(one)) == kinds[by_us]
    assert choose(history_of(one), by_person=True) == kinds[by_person]


PAIRS: list[tuple[TaskHistory, TaskHistory, RoundTodo]] = [  # b needs a
    (make("a", LANDED), make("b", BLOCKED), RoundTodo(work=("b",), carried=())),
    (make("a", SUCCEEDED), make("b", BLOCKED), RoundTodo(work=("b",), carried=())),
    (make("a", FAILED), make("b", BLOCKED), RoundTodo(work=(), carried=())),
    (make("a", AWAITING, pull=7), done("b"), RoundTodo(work=(), carried=())),
    (make("a", AWAITING, pull=7), make("b"), RoundTodo(work=(), carried=())),
    (done("a"), done("b"), RoundTodo(work=(), carried=("a", "b"))),
    (done("a"), make("b"), RoundTodo(work=(), carried=("a",))),
    (make("a"), make("b", BLOCKED), RoundTodo(work=("a", "b"), carried=())),
    (
        make("a", LEFT_OUT, fault=LandingFault.CULPRIT),
        make("b", BLOCKED),
        RoundTodo(work=("a", "b"), carried=()),
    ),
]


@pytest.mark.parametrize(("first", "second", "expected"), PAIRS)
def test_nothing_is_begun_before_what_it_needs(
    first: TaskHistory, second: TaskHistory, expected: RoundTodo
) -> None:
    assert choose(history_of(second, first, needs=(need("b", "a"),))) == expected


def test_a_person_names_what_is_tried_again() -> None:
    history = history_of(
        make("a", FAILED), make("b", FAILED), make("c", BLOCKED), needs=(need("c", "a"),)
    )
    assert choose(history, by_person=True, named=("a",)).work == ("a", "c")
    assert choose(history, by_person=True, named=("b",)).work == ("b",)
    assert choose(history, by_person=True).work == ("a", "b", "c")


DUES: list[tuple[History, Due | None]] = [
    (history_of(make("a", LANDED)), None),
    (history_of(done("a", fault=LandingFault.STUCK)), None),
    (
        history_of(done("a", fault=LandingFault.STUCK), done("b")),
        Due(round=2, at=NOW, reason="to check results on the new target"),
    ),
    (history_of(done("a"), own_rounds=3), None),
    (history_of(make("a")), Due(round=2, at=NOW, reason="to go on with what is left")),
    (
        history_of(make("a", LEFT_OUT, fault=LandingFault.CULPRIT)),
        Due(round=2, at=NOW, reason="to repair a"),
    ),
    (
        history_of(LIMITED, own_rounds=3),
        Due(round=2, at=NOW + next_round.UNKNOWN_LIMIT_SECONDS, reason="a usage limit ends then"),
    ),
    (
        history_of(replace(LIMITED, resumes_at=NOW + 5000.0)),
        Due(round=2, at=NOW + 5000.0, reason="a usage limit ends then"),
    ),
    (
        history_of(replace(LIMITED, resumes_at=5.0)),
        Due(round=2, at=NOW + next_round.SHORTEST_WAIT_SECONDS, reason="a usage limit ends then"),
    ),
    (
        history_of(replace(LIMITED, resumes_at=1e30)),
        Due(round=2, at=NOW + next_round.LONGEST_WAIT_SECONDS, reason="a usage limit ends then"),
    ),
    (history_of(LIMITED, waits=next_round.MOST_WAITS), None),
]


@pytest.mark.parametrize(("history", "due"), DUES)
def test_the_round_that_begins_by_itself(history: History, due: Due | None) -> None:
    assert next_round.find_due(history, SETTINGS, at=NOW) == due


def test_an_agent_without_access_to_its_model_waits_for_a_person() -> None:
    waiting = make("a", WAITING, outcome=Outcome.NO_ACCESS)
    other = make("b", LEFT_OUT, fault=LandingFault.CULPRIT)

    assert next_round.find_due(history_of(waiting, other), SETTINGS, at=NOW) is None
    assert next_round.find_due(history_of(other), SETTINGS, at=NOW) is not None


@pytest.mark.parametrize("landing", [LandingMode.BRANCHES, LandingMode.NONE])
def test_where_nothing_lands_results_start_no_round(landing: LandingMode) -> None:
    settings = replace(SETTINGS, landing=landing)
    assert next_round.find_due(history_of(done("a")), settings, at=NOW) is None


# --- the start of a round ----------------------------------------------------------------------


DUE = Due(round=2, at=NOW, reason="")


@pytest.mark.parametrize(
    ("one", "due", "own", "counted"),
    [
        (make("a", LEFT_OUT, fault=LandingFault.CULPRIT), DUE, True, (2, 5)),
        (make("a"), DUE, True, (2, 5)),
        (LIMITED, DUE, True, (1, 6)),
        (make("a", BLOCKED), None, True, (1, 5)),  # a person merged what it needs
        (make("a", FAILED), None, False, (0, 0)),
        (make("a", FAILED), DUE, False, (0, 0)),
    ],
)
def test_only_rounds_that_were_due_are_counted(
    one: TaskHistory, due: Due | None, own: bool, counted: tuple[int, int]
) -> None:
    history = history_of(one, due=due, own_rounds=1, waits=5)
    todo = RoundTodo(work=("a",), carried=())

    after = next_round.begin_round(history, plan_of("a"), todo, trigger="w2", own=own)

    assert (after.own_rounds, after.waits) == counted
    assert (after.round, after.trigger, after.due) == (2, "w2", None)


def test_a_task_waits_again_without_what_it_was() -> None:
    was = make(
        "a",
        LEFT_OUT,
        fault=LandingFault.CULPRIT,
        reason="x",
        head="h",
        work="w",
        attempts=2,
        pull=7,
    )
    begun = next_round.begin_round(
        history_of(was, due=DUE),
        plan_of("a"),
        RoundTodo(work=("a",), carried=()),
        trigger="t",
        own=True,
    )
    one = begun.task("a")
    assert (one.state, one.fault, one.reason, one.head, one.work) == (WAITING, None, "", "", "")
    assert (one.repairs, one.attempts, one.pull) == (1, 2, 7)
    again = next_round.begin_round(
        begun, plan_of("a"), RoundTodo(work=("a",), carried=()), trigger="t", own=False
    )
    assert again.task("a").repairs == 0


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (make("a", FAILED, reason="exit 1", evidence="log"), "exit 1\n\nlog"),
        (make("a", LEFT_OUT, reason="red"), "red"),
        (make("a", BLOCKED, reason="needs b"), ""),
        (make("a", reason="limited"), ""),
    ],
)
def test_the_next_agent_is_told_why_it_did_not_land(one: TaskHistory, text: str) -> None:
    assert evidence_of(one) == text


def test_each_task_of_a_plan_gets_the_evidence_of_its_last_round() -> None:
    lost = make("a", FAILED, reason="it was red")
    history = history_of(lost, make("b"), make("c", BLOCKED, reason="needs a"))

    made = add_evidence(plan_of("a", "b", "c"), history)

    assert [task.evidence for task in made.tasks] == ["it was red", "", ""]
