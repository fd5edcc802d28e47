"""Tests how a run lands results that other machines made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.commands import CheckBase, CheckBatch, FinishRun, KeepWork, RunPhase
from concertmaster.events import BaseChecked, ResultReceived, RunFinished, RunStarted, StopRequested
from concertmaster.model import Outcome, Plan, TaskState
from concertmaster.run.state import RunState
from concertmaster.run.state_machine import begin_run, fold_events, handle
from concertmaster.settings.choices import LandingMode, Phase
from tests.simulator import Changes, Disturbance, Simulator, World, make_plan
from tests.unit.run.test_state_machine import orders, own_changes, plans, steps, worlds


class Verified(Simulator):
    """A simulated run that lands the results of another run; `held` are the sensitive ones."""

    def __init__(self, made: Simulator, *, held: Changes, **given: object) -> None:
        plan = replace(made.plan, settings=replace(made.plan.settings, landing=LandingMode.MERGE))
        super().__init__(plan, made.world, **given)  # type: ignore[arg-type]
        self.commits = made.commits
        self.held = held
        self.received = [*results(made, held=held)]

    def run(self, *, stop_at: int | None = None) -> RunState:
        for event in self.received:
            self.happen(event)
        self._resume()
        for step in range(1000):
            if self.state.finished:
                break
            if step == stop_at:
                self.happen(StopRequested(reason="late"))
            self.answer_one()
        assert self.state.finished
        assert fold_events(self.plan, self.journal) == self.state
        assert not list(self.asked(RunPhase)), "an agent is started"
        return self.state

    @property
    def on_target(self) -> Changes:
        return self.commits[self.target].contents


def results(made: Simulator, *, held: Changes) -> Iterable[ResultReceived]:
    for key, one in made.state.tasks.items():
        attempt = one.attempt
        yield ResultReceived(
            task=key,
            state=one.state if one.state.is_over else TaskState.FAILED,
            reason=one.reason,
            base=attempt.base if attempt else "",
            built_on=attempt.built_on if attempt else (),
            head=one.head,
            sensitive=("Makefile",) if key in held and one.head else (),
        )


def make(plan: Plan, world: World | None = None, *, order: Iterable[int] = ()) -> Simulator:
    """Return the run of the work jobs; it lands nothing."""
    quiet = replace(plan, settings=replace(plan.settings, landing=LandingMode.BRANCHES))
    made = Simulator(quiet, world, disturbance=Disturbance(resumes=0), order=order)
    made.run()
    return made


def verify(plan: Plan, *, held: str = "", world: World | None = None) -> Verified:
    verified = Verified(make(plan, world), held=frozenset(held))
    verified.run()
    return verified


# --- one result --------------------------------------------------------------------------------

OVER = [state for state in TaskState if state.is_over]


@pytest.mark.parametrize("state", OVER)
def test_a_result_ends_its_task_in_its_state_with_one_attempt(state: TaskState) -> None:
    plan = make_plan("a")
    event = ResultReceived(task="a", state=state, reason="so", base="b", head="h")
    one = handle(begin_run(plan), event)[0].tasks["a"]

    assert (one.state, one.reason, len(one.attempts)) == (state, "so", 1)
    assert one.attempt is not None
    assert (one.attempt.number, one.attempt.base, one.attempt.checkpoint) == (1, "b", "h")
    succeeded = state in (TaskState.SUCCEEDED, TaskState.LANDED, TaskState.AWAITING_MERGE)
    assert one.attempt.outcome is (Outcome.SUCCEEDED if succeeded else Outcome.FAILED)
    assert one.head == ("h" if succeeded else "")
    assert one.held is (state is TaskState.AWAITING_MERGE)


@pytest.mark.parametrize(
    ("state", "head", "sensitive", "end", "held"),
    [
        (TaskState.SUCCEEDED, "h", ("Makefile",), TaskState.AWAITING_MERGE, True),
        (TaskState.SUCCEEDED, "h", (), TaskState.SUCCEEDED, False),
        (TaskState.FAILED, "", ("Makefile",), TaskState.FAILED, False),
        (TaskState.LANDED, "h", ("Makefile",), TaskState.LANDED, False),
    ],
)
def test_a_sensitive_result_is_held_for_a_person(
    state: TaskState, head: str, sensitive: tuple[str, ...], end: TaskState, held: bool
) -> None:
    event = ResultReceived(task="a", state=state, base="b", head=head, sensitive=sensitive)
    one = handle(begin_run(make_plan("a")), event)[0].tasks["a"]

    assert (one.state, one.held) == (end, held)


# --- what lands --------------------------------------------------------------------------------

RED_A = World(red=(frozenset("a"),))
FAILED_A = World(fails={("a", 1): (Phase.TEST, Outcome.FAILED)})
NO_OP_B = World(no_ops=frozenset("b"))


@dataclass(frozen=True, kw_only=True)
class Row:
    plan: Plan
    held: str = ""
    world: World | None = None
    landed: str = ""
    waiting: str = ""
    lost: str = ""


CHAIN = make_plan("abc", hard=["ba", "cb"])
TABLE = {
    "all that is well lands": Row(plan=make_plan("abc", hard=["ba"]), landed="abc"),
    "what is held does not land": Row(plan=make_plan("ab"), held="a", landed="b"),
    "what needs a held one waits": Row(
        plan=make_plan("abc", hard=["ba"]), held="a", landed="c", waiting="b"
    ),
    "also through one that needs it": Row(plan=CHAIN, held="a", waiting="bc"),
    "also through one that changed nothing": Row(plan=CHAIN, held="a", world=NO_OP_B, waiting="bc"),
    "what only came after a held one lands without it": Row(
        plan=make_plan("ab", soft=["ba"]), held="a", landed="b"
    ),
    "what was kept apart from a held one lands without it": Row(
        plan=make_plan("ab", apart=["ab"]), held="a", landed="b"
    ),
    "a held one whose need is lost is blocked": Row(
        plan=make_plan("ab", hard=["ba"]), held="b", world=RED_A, lost="ab"
    ),
    "what failed elsewhere is lost here": Row(
        plan=make_plan("abc", hard=["ba"]), world=FAILED_A, landed="c", lost="ab"
    ),
}


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
def test_what_becomes_of_received_results(row: Row) -> None:
    verified = verify(row.plan, held=row.held, world=row.world)

    assert verified.landed == frozenset(row.landed)
    assert verified.in_state(TaskState.SUCCEEDED) == frozenset(row.waiting)
    losses = (TaskState.LEFT_OUT, TaskState.FAILED, TaskState.BLOCKED)
    assert verified.in_state(*losses) == frozenset(row.lost)
    assert verified.on_target == frozenset(row.landed)


def test_what_came_after_one_that_waits_for_a_held_one_is_put_on_alone() -> None:
    verified = verify(make_plan("abc", hard=["ba"], soft=["ca", "cb"]), held="a")

    assert verified.landed == frozenset("c")
    assert verified.on_target == frozenset("c")


def test_what_came_after_a_held_one_is_put_on_alone() -> None:
    verified = verify(make_plan("ab", soft=["ba"]), held="a")

    checks = [c for c in verified.asked(CheckBatch) if isinstance(c, CheckBatch)]
    assert [[c.as_it_is for c in check.candidates] for check in checks] == [[False]]


calm_worlds = worlds().map(lambda world: replace(world, diverted_from=None))
moves = st.builds(Disturbance, moves=st.frozensets(steps, max_size=2))


@given(plans(budgets=[None]), calm_worlds, st.frozensets(own_changes), orders, orders)
def test_a_held_change_never_lands_by_itself_or_through_another(
    plan: Plan, world: World, held: Changes, work_order: list[int], order: list[int]
) -> None:
    made = make(plan, world, order=work_order)
    verified = Verified(made, held=held, order=order)
    verified.run()

    held = held & {event.task for event in verified.received if event.sensitive}
    assert not verified.on_target & held
    waiting = {key for key in verified.state.tasks if held & verified._hard(key)}
    assert not verified.landed & waiting, "what needs a held one lands"
    assert verified.landed <= verified.on_target
    for key in verified.in_state(TaskState.SUCCEEDED):
        head = verified.state.tasks[key].head
        assert not head or key in _behind(plan, held), f"{key} is forgotten"


def _behind(plan: Plan, held: Changes) -> Changes:
    """Return the held tasks and all tasks that need them, directly or not."""
    found = held
    while more := {n.task for n in plan.needs if n.hard and n.on in found} - found:
        found |= more
    return found


# --- the time is over --------------------------------------------------------------------------


def test_a_check_that_answers_after_the_run_asked_for_its_end_lands_what_passed() -> None:
    verified = Verified(make(make_plan("a"), World()), held=frozenset(), order=[1, 1])
    verified.run(stop_at=1)

    names = [type(event).__name__ for event in verified.journal]
    late = ["StopRequested", "BatchChecked", "RunFinished", "BatchLanded", "RunFinished"]
    assert names[-5:] == late
    assert verified.on_target == frozenset("a")


@given(plans(budgets=[None]), calm_worlds, st.integers(0, 12), orders)
def test_when_the_time_is_over_nothing_more_is_checked_and_what_passed_lands(
    plan: Plan, world: World, stop_at: int, order: list[int]
) -> None:
    verified = Verified(make(plan, world), held=frozenset(), order=order)
    state = verified.run(stop_at=stop_at)

    assert verified.landed <= verified.on_target
    assert not state.landing.passed, "what passed is forgotten"
    stops = [isinstance(event, StopRequested) for event in verified.journal]
    if any(stops):
        before = fold_events(verified.plan, verified.journal[: stops.index(True)])
        after, commands = handle(before, StopRequested(reason="late"))
        assert not [c for c in commands if isinstance(c, CheckBatch | CheckBase)]
        assert after.is_halted


def test_a_green_prefix_lands_when_the_time_is_over() -> None:
    plan, world = make_plan("abc"), World(red=(frozenset("abc"),))
    stopped = [Verified(make(plan, world), held=frozenset()) for _ in range(8)]
    for number, one in enumerate(stopped):
        one.run(stop_at=number)

    counts = [len(one.landed) for one in stopped]
    assert counts == sorted(counts)
    assert {0, 1, 2} == {*counts}
    assert not stopped[counts.index(1)].in_state(TaskState.LEFT_OUT), "an accusation too early"


# --- results that stand in the journal before the run begins ------------------------------------


def receive(state: TaskState, *, sensitive: tuple[str, ...] = ()) -> ResultReceived:
    return ResultReceived(
        task="a", state=state, base="b", head="h", sensitive=sensitive, lands_anyway=True
    )


def test_a_start_asks_again_for_what_results_before_it_made_us_ask() -> None:
    before = fold_events(make_plan("a"), [receive(TaskState.FAILED)])
    _, commands = handle(before, RunStarted(run="r"))
    assert set(map(type, commands)) == {CheckBase, KeepWork}


def test_where_its_user_looks_on_a_sensitive_result_lands() -> None:
    event = receive(TaskState.SUCCEEDED, sensitive=("Makefile",))
    one = handle(begin_run(make_plan("a")), event)[0].tasks["a"]
    assert (one.state, one.held) == (TaskState.SUCCEEDED, False)
    assert one.attempt
    assert one.attempt.sensitive == ("Makefile",)


def test_a_result_is_kept_where_the_base_is_red() -> None:
    before = fold_events(make_plan("a"), [receive(TaskState.SUCCEEDED), RunStarted(run="r")])
    red = BaseChecked(tree="t", passed=False, reason="red", seconds=0.0, tip="b")
    assert handle(before, red)[1] == (KeepWork(task="a", commit="h"),)


def test_a_run_without_tasks_is_over_at_once() -> None:
    state, commands = handle(
        begin_run(replace(make_plan("a"), tasks=(), order=())), RunStarted(run="r")
    )
    assert commands == (FinishRun(),)
    assert handle(state, RunFinished())[0].finished


def test_a_check_that_passes_as_the_time_ends_lands_before_the_run_ends() -> None:
    """The answer of the check was in the inbox before the check was stopped."""
    verified = Verified(make(make_plan("a")), held=frozenset(), order=[0, 1])
    verified.run(stop_at=1)

    assert verified.landed == verified.on_target == frozenset("a")
