"""Tests how a round changes the history of its run and what the next round has to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.model import (
    Built,
    Exclusion,
    LandingMode,
    Need,
    Outcome,
    Plan,
    RunSettings,
    TaskState,
    Usage,
)
from concertmaster.rounds import transitions
from concertmaster.rounds.history import Due, History, TaskHistory
from concertmaster.rounds.result import Result
from concertmaster.rounds.transitions import RoundTodo
from concertmaster.rounds.verdict import LandingFault, LeftOutTask, Verdict
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
    return History(tasks=tasks, needs=needs, **{**known, **more})


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
    return {one.task: one.state for one in history.tasks}


def choose(history: History, *, by_person: bool = False, named: tuple[str, ...] = ()) -> RoundTodo:
    return transitions.choose_todo(history, SETTINGS, by_person=by_person, named=named)


# --- results and verdict -----------------------------------------------------------------------


def test_results_add_up_over_the_rounds() -> None:
    before = make("a", attempts=2, seconds=10.0, usage=Usage(cost_usd=1.0, input_tokens=5))
    usage = Usage(cost_usd=0.5, input_tokens=3)
    result = Result(task="a", state=SUCCEEDED, attempts=1, head="h", seconds=4.0, usage=usage)

    after = transitions.take_results(history_of(before), {"a": result}, lost={}).task("a")

    assert (after.attempts, after.seconds, after.head) == (3, 14.0, "h")
    assert after.usage == Usage(cost_usd=1.5, input_tokens=8)


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
    after = transitions.take_verdict(history_of(done("a")), verdict_of(left("a", fault)))

    one = after.task("a")
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
    assert transitions.find_due(after, SETTINGS, at=NOW) is None


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
    (make("a", LEFT_OUT, fault=LandingFault.CULPRIT, repairs=1), "", "work"),
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


LIMITED = make("a", outcome=Outcome.LIMITED)
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
        Due(round=2, at=NOW + transitions.UNKNOWN_LIMIT_SECONDS, reason="a usage limit ends then"),
    ),
    (
        history_of(replace(LIMITED, resumes_at=NOW + 5000.0)),
        Due(round=2, at=NOW + 5000.0, reason="a usage limit ends then"),
    ),
    (
        history_of(replace(LIMITED, resumes_at=5.0)),
        Due(round=2, at=NOW + transitions.SHORTEST_WAIT_SECONDS, reason="a usage limit ends then"),
    ),
    (
        history_of(replace(LIMITED, resumes_at=1e30)),
        Due(round=2, at=NOW + transitions.LONGEST_WAIT_SECONDS, reason="a usage limit ends then"),
    ),
    (history_of(LIMITED, waits=transitions.MOST_WAITS), None),
]


@pytest.mark.parametrize(("history", "due"), DUES)
def test_the_round_that_begins_by_itself(history: History, due: Due | None) -> None:
    assert transitions.find_due(history, SETTINGS, at=NOW) == due


@pytest.mark.parametrize("landing", [LandingMode.BRANCHES, LandingMode.NONE])
def test_where_nothing_lands_results_start_no_round(landing: LandingMode) -> None:
    settings = replace(SETTINGS, landing=landing)
    assert transitions.find_due(history_of(done("a")), settings, at=NOW) is None


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

    after = transitions.begin_round(history, plan_of("a"), todo, trigger="w2", own=own)

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
    begun = transitions.begin_round(
        history_of(was, due=DUE),
        plan_of("a"),
        RoundTodo(work=("a",), carried=()),
        trigger="t",
        own=True,
    )
    one = begun.task("a")
    assert (one.state, one.fault, one.reason, one.head, one.work) == (WAITING, None, "", "", "")
    assert (one.repairs, one.attempts, one.pull) == (1, 2, 7)
    again = transitions.begin_round(
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
    assert transitions.evidence_of(one) == text


def test_a_restricted_plan_names_only_its_tasks() -> None:
    exclusions = tuple(
        Exclusion(tasks=pair, probability=0.5, reason="") for pair in (("a", "b"), ("c", "d"))
    )
    needs = (need("b", "a"), need("d", "a"))
    whole = plan_of("a", "b", "c", "d", needs=needs, exclusions=exclusions)

    made = transitions.restrict(whole, ("a", "c", "d"), evidence={"c": "it was red"})

    assert [task.id for task in made.tasks] == ["a", "c", "d"]
    assert [task.evidence for task in made.tasks] == ["", "it was red", ""]
    assert made.needs == (needs[1],)
    assert made.exclusions == (exclusions[1],)
    assert made.order == ("a", "c", "d")
    assert made.sequential_seconds == sum(task.estimate_seconds for task in made.tasks)
    assert [set(share) for share in made.shares] == [{"a", "c", "d"}]


# --- whole runs --------------------------------------------------------------------------------


Draw = Callable[[Any], Any]
ENDS = [SUCCEEDED, SUCCEEDED, SUCCEEDED, FAILED, WAITING]


@st.composite
def runs(draw: Draw) -> History:
    """Draw a run in which each task needs some of those before it."""
    number = draw(st.integers(1, 7))
    keys = [f"t{place}" for place in range(number)]
    needs = [
        need(key, other, hard=draw(st.booleans()))
        for place, key in enumerate(keys)
        for other in keys[:place]
        if draw(st.integers(0, 3)) == 0
    ]
    return history_of(*(make(key) for key in draw(st.permutations(keys))), needs=tuple(needs))


def work_on(history: History, todo: RoundTodo, draw: Draw) -> History:
    """Return the history with results of the agents. A task whose need failed gets none."""
    results = {}
    for key in todo.work:
        state, outcome = draw(st.sampled_from(ENDS)), None
        if state is WAITING:
            outcome = draw(st.sampled_from([None, Outcome.LIMITED]))
        head = f"head-{key}" if state is SUCCEEDED and draw(st.integers(0, 5)) else ""
        reason = "" if state is SUCCEEDED else "exit 1"
        results[key] = Result(task=key, state=state, outcome=outcome, head=head, reason=reason)
    return transitions.block(transitions.take_results(history, results, lost={}))


def verify(history: History, draw: Draw) -> History:
    faults = st.sampled_from([None, None, None, *(LandingFault(one) for one in LandingFault)])
    chosen = [(one.task, draw(faults)) for one in history.tasks if one.head]
    found = [left(key, fault) for key, fault in chosen if fault not in (None, LandingFault.CLOSED)]
    return transitions.block(transitions.take_verdict(history, verdict_of(*found)))


def bring(history: History, draw: Draw) -> History:
    """Return the history with tasks landed or awaiting a merge; unchanged if the target moved."""
    moved = draw(st.integers(0, 4)) == 0
    for one in history.tasks:
        hard = [need.on for need in history.needs if need.hard and need.task == one.task]
        ready = one.state is SUCCEEDED and one.head and one.fault is None
        if moved or not ready or not all(history.task(on).is_done for on in hard):
            continue
        if draw(st.integers(0, 3)):
            history = transitions.land(history, one.task, landed_as="c")
        else:
            number = int(one.task[1:]) + 10
            history = transitions.await_merge(history, one.task, pull=number, reason="")
    return transitions.block(history)


def settle(history: History, draw: Draw) -> History:
    """Return the history after people merged, closed or left the pull requests."""
    for number in {history.deciding_pull(one) for one in history.tasks} - {0}:
        fate = draw(st.sampled_from(["open", "closed", "merged"]))
        history = transitions.settle_pull(
            history, number, is_open=fate == "open", is_merged=fate == "merged"
        )
    return transitions.block(history)


def hold(history: History, todo: RoundTodo, draw: Draw, at: float) -> History:
    after = bring(verify(work_on(history, todo, draw), draw), draw)
    return replace(after, due=transitions.find_due(after, SETTINGS, at=at))


def check_todo(history: History, todo: RoundTodo) -> None:
    """Check that each need is done, or is worked on first in the same round."""
    assert not set(todo.work) & set(todo.carried)
    chosen = {*todo.work, *todo.carried}
    for one in history.needs:
        if one.hard and one.task in chosen and not history.task(one.on).is_done:
            assert one.on in (todo.work if one.task in todo.work else chosen)
    order = [*todo.work]
    for one in history.needs:
        if one.hard and {one.task, one.on} <= set(order):
            assert order.index(one.on) < order.index(one.task)


def is_stated(history: History, one: TaskHistory) -> bool:
    """Return whether people can see what became of the task, or what it waits for."""
    if one.is_done or one.state is AWAITING:
        return True
    if one.state.is_lost:
        return bool(one.reason)
    if history.own_rounds >= SETTINGS.rounds or history.waits >= transitions.MOST_WAITS:
        return True
    waits = [
        need.on
        for need in history.needs
        if need.hard and need.task == one.task and not history.task(need.on).is_done
    ]
    return one.fault is LandingFault.STUCK or bool(waits)


@given(runs(), st.data())
def test_a_run_ends_by_itself_with_every_task_in_a_stated_state(
    history: History, data: st.DataObject
) -> None:
    draw, at = data.draw, NOW
    todo = choose(history)
    check_todo(history, todo)
    history = hold(history, todo, draw, at)
    limit = SETTINGS.rounds + transitions.MOST_WAITS + 1
    while history.due:
        assert history.round < limit
        at = max(at, history.due.at)
        todo = choose(history)
        assert todo
        check_todo(history, todo)
        plan = plan_of(*todo.work)
        begun = transitions.begin_round(history, plan, todo, trigger=f"w{history.round}", own=True)
        assert begun.round == history.round + 1
        history = hold(begun, todo, draw, at)
    unstated = [one for one in history.tasks if not is_stated(history, one)]
    assert unstated == []


@given(runs(), st.data())
def test_what_people_do_begins_only_what_may_be_begun(
    history: History, data: st.DataObject
) -> None:
    draw = data.draw
    history = hold(history, choose(history), draw, NOW)
    for number in range(4):
        own = draw(st.booleans())
        before, history = history, settle(history, draw)
        todo = choose(history, by_person=not own)
        check_todo(history, todo)
        landed = {one.task for one in before.tasks if one.state is LANDED}
        assert not landed & {*todo.work, *todo.carried}
        plan = plan_of(*todo.work)
        begun = transitions.begin_round(history, plan, todo, trigger=f"w{number}", own=own)
        assert begun.own_rounds <= SETTINGS.rounds
        history = hold(begun, todo, draw, NOW)
        assert landed <= {one.task for one in history.tasks if one.state is LANDED}
