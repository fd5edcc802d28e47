"""The merge queue chooses what is checked together, finds culprits and lands the rest."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.commands import CheckBatch, LandBatch
from concertmaster.events import BatchChecked, BatchLanded, MergeConflicted, TargetMoved
from concertmaster.landing import merge_queue
from concertmaster.landing.fault import Fault
from concertmaster.landing.merge_queue import (
    LARGEST_BATCH,
    Landing,
    PendingStep,
    QueuedTask,
    SettledTasks,
)
from concertmaster.model import Built
from tests.unit.landing.test_prefix_plan import count_checks

NAMES = "abcdefgh"
NOTHING = SettledTasks(intact={}, landed=frozenset(), lost=frozenset())
START = Landing(tip="tip", tip_green=True)
Bad = Callable[[frozenset[str]], bool]


def contender(
    task: str, *, on: str = "", needs: str = "", risk: float = 0.05, head: str = ""
) -> QueuedTask:
    """Return a task that is built on the tasks of `on`."""
    return QueuedTask(
        task=task,
        title=task,
        base=f"base {task}",
        head=head or f"head {task}",
        built_on=tuple(Built(task=b, head=f"head {b}") for b in on),
        needs=frozenset(needs),
        risk=risk,
    )


def settled(*, intact: str = "", reapplied: str = "", lost: str = "") -> SettledTasks:
    return SettledTasks(
        intact={task: f"head {task}" for task in intact},
        landed=frozenset(intact + reapplied),
        lost=frozenset(lost),
    )


def names(found: Iterable[QueuedTask]) -> str:
    return "".join(c.task for c in found)


GATHERED = {
    "all that is free": ([contender("a"), contender("b")], NOTHING, "ab"),
    "the safest first": ([contender("a", risk=0.2), contender("b")], NOTHING, "ba"),
    "needs before the safe": ([contender("a", needs="b"), contender("b", risk=0.9)], NOTHING, "ba"),
    "what is built on another behind it": (
        [contender("a", on="b"), contender("b", risk=0.9)],
        NOTHING,
        "ba",
    ),
    "a need that landed": ([contender("a", needs="b", on="b")], settled(intact="b"), "a"),
    "nothing with a need that did not": ([contender("a", needs="b")], NOTHING, ""),
    "nothing with a need that is lost": ([contender("a", needs="b")], settled(lost="b"), ""),
    "what is built on something lost": ([contender("a", on="b")], settled(lost="b"), "a"),
    "nothing built on something open": ([contender("a", on="b")], NOTHING, ""),
}


@pytest.mark.parametrize(("found", "known", "batch"), GATHERED.values(), ids=GATHERED)
def test_a_batch_gathers(found: list[QueuedTask], known: SettledTasks, batch: str) -> None:
    assert names(merge_queue.collect_queue(found, settled=known, aside=frozenset())) == batch


def test_who_stands_aside_keeps_back_those_built_on_it() -> None:
    found = [contender("a"), contender("b", on="a"), contender("c", needs="b"), contender("d")]

    assert names(merge_queue.collect_queue(found, settled=NOTHING, aside=frozenset("a"))) == "d"


@st.composite
def contenders(draw: st.DrawFn) -> tuple[list[QueuedTask], SettledTasks]:
    """Draw open tasks that are built on open, landed and lost ones."""
    kinds = {name: draw(st.sampled_from(["open", "open", "landed", "lost"])) for name in NAMES}
    found: list[QueuedTask] = []
    for number, name in enumerate(NAMES):
        if kinds[name] == "open":
            on = "".join(other for other in NAMES[:number] if draw(st.booleans()))
            needs = "".join(other for other in on if draw(st.booleans()) and kinds[other] != "lost")
            found.append(contender(name, on=on, needs=needs, risk=draw(st.floats(0.0, 1.0))))
    landed = "".join(name for name in NAMES if kinds[name] == "landed")
    cut = draw(st.integers(0, len(landed)))
    lost = "".join(name for name in NAMES if kinds[name] == "lost")
    return found, settled(intact=landed[:cut], reapplied=landed[cut:], lost=lost)


@given(contenders(), st.frozensets(st.sampled_from(NAMES)))
def test_every_member_finds_all_it_is_built_on_before_it_landed_or_lost(
    given_ones: tuple[list[QueuedTask], SettledTasks], aside: frozenset[str]
) -> None:
    found, known = given_ones
    seen: set[str] = set()
    for one in merge_queue.collect_queue(found, settled=known, aside=aside):
        assert one.task not in aside
        assert one.needs <= seen | known.landed
        assert {b.task for b in one.built_on} <= seen | known.landed | known.lost
        seen.add(one.task)


@given(contenders())
def test_only_what_is_built_on_unchanged_heads_lands_as_it_is(
    given_ones: tuple[list[QueuedTask], SettledTasks],
) -> None:
    found, known = given_ones
    command = merge_queue.advance_queue(START, found, settled=known).command
    if isinstance(command, CheckBatch):
        unchanged = set(known.intact)
        built_on = {c.task: {b.task for b in c.built_on} for c in found}
        for candidate in command.candidates:
            assert candidate.as_it_is == (built_on[candidate.task] <= unchanged)
            unchanged |= {candidate.task} if candidate.as_it_is else set()


def checked(command: CheckBatch, *, passed: bool, cached: bool = False) -> BatchChecked:
    tasks = tuple(c.task for c in command.candidates)
    content = "+".join((command.tip, *tasks))
    return BatchChecked(
        tasks=tasks,
        tip=command.tip,
        commit=content,
        tree=content,
        passed=passed,
        reason="red",
        seconds=1.0,
        cached=cached,
        reapplied=tuple(c.task for c in command.candidates if not c.as_it_is),
    )


class Track:
    """Drives the queue where a check is red when `bad` says so."""

    def __init__(self, found: Iterable[QueuedTask], *, bad: Bad, landing: Landing = START) -> None:
        self.open = {c.task: c for c in found}
        self.bad = bad
        self.landing = landing
        self.landed: list[str] = []
        self.culprits: dict[str, Fault] = {}
        self.checks: list[str] = []
        self.confirmed = 0

    def run(self) -> Track:
        while True:
            known = SettledTasks(
                intact={task: f"head {task}" for task in self.landed},
                landed=frozenset(self.landed),
                lost=frozenset(self.culprits),
            )
            step = merge_queue.advance_queue(self.landing, list(self.open.values()), settled=known)
            self.landing = step.landing
            self.culprits |= step.culprits
            for task in step.culprits:
                del self.open[task]
            if step.command is None and not step.culprits:
                return self
            if isinstance(step.command, CheckBatch):
                self.check(step.command)
            elif isinstance(step.command, LandBatch):
                self.land(step.command)

    def check(self, command: CheckBatch) -> None:
        contents = frozenset(self.landed) | {c.task for c in command.candidates}
        event = checked(command, passed=not self.bad(contents))
        if event.tree not in command.green | command.red:
            self.confirmed += event.tree in self.landing.red
            self.checks.append("".join(sorted(contents)))
        self.landing = merge_queue.record_check(self.landing, event)

    def land(self, command: LandBatch) -> None:
        self.landed.extend(command.tasks)
        for task in command.tasks:
            del self.open[task]
        event = BatchLanded(tasks=command.tasks, tip=command.tip, commit=command.commit)
        self.landing = merge_queue.record_landed(self.landing, event)


def is_red(*subsets: str) -> Bad:
    return lambda contents: any(frozenset(bad) <= contents for bad in subsets)


def has_one_of(bad: set[str]) -> Bad:
    return lambda contents: not bad.isdisjoint(contents)


BATCHES: Mapping[str, tuple[str, tuple[str, ...], str]] = {
    "nobody is bad": ("abcd", (), ""),
    "the first": ("abcd", ("a",), "a"),
    "the last": ("abcd", ("d",), "d"),
    "two": ("abcdefgh", ("b", "g"), "bg"),
    "all": ("abcd", ("a", "b", "c", "d"), "abcd"),
    "a pair loses the later one": ("abcdefgh", ("cf",), "f"),
    "overlapping pairs lose as few as may be": ("abcd", ("ab", "bc"), "b"),
    "a triple loses the last": ("abcd", ("abd",), "d"),
}


@pytest.mark.parametrize(("tasks", "bad", "culprits"), BATCHES.values(), ids=BATCHES)
def test_culprits_are_found_and_the_rest_lands(
    tasks: str, bad: tuple[str, ...], culprits: str
) -> None:
    track = Track(map(contender, tasks), bad=is_red(*bad)).run()

    assert "".join(sorted(track.culprits)) == culprits
    assert set(track.landed) == set(tasks) - set(culprits)


@given(st.lists(st.frozensets(st.sampled_from(NAMES), min_size=1, max_size=3), max_size=4))
def test_what_lands_is_green_and_no_culprit_can_be_added(bad: list[frozenset[str]]) -> None:
    red = is_red(*map("".join, bad))
    track = Track(map(contender, NAMES), bad=red).run()

    assert not red(frozenset(track.landed))
    assert set(track.landed) | set(track.culprits) == set(NAMES)
    assert all(red(frozenset(track.landed) | {culprit}) for culprit in track.culprits)


@given(st.integers(0, 255))
def test_no_tree_is_checked_twice_but_for_confirmation(content: int) -> None:
    bad = [name for i, name in enumerate(NAMES) if content >> i & 1]
    track = Track(map(contender, NAMES), bad=is_red(*bad)).run()

    again = len(track.checks) - len(set(track.checks))
    assert again == track.confirmed == merge_queue.CONFIRMATIONS * len(bad)


def test_the_reason_names_the_company_of_the_culprit() -> None:
    track = Track(map(contender, "abc"), bad=is_red("ab", "c")).run()
    alone = Track(map(contender, "a"), bad=is_red("a")).run()

    assert " with a: red" in track.culprits["b"].describe()
    assert " with " not in alone.culprits["a"].describe()


def conflict(task: str, *, behind: str = "") -> MergeConflicted:
    return MergeConflicted(task=task, tip="tip", behind=tuple(behind), paths=("x",))


def test_who_does_not_merge_behind_others_is_tried_when_nobody_else_is_left() -> None:
    landing = merge_queue.record_conflict(START, conflict("b", behind="a"))

    with_a = merge_queue.advance_queue(landing, [contender("a"), contender("b")], settled=NOTHING)
    without_a = merge_queue.advance_queue(landing, [contender("b")], settled=NOTHING)
    assert names(with_a.landing.batch) == "a"
    assert names(without_a.landing.batch) == "b"
    assert not without_a.landing.aside


def test_a_huge_queue_lands_in_several_batches() -> None:
    found = [contender(f"t{number}") for number in range(LARGEST_BATCH + 5)]
    step = merge_queue.advance_queue(START, found, settled=NOTHING)

    assert [one.task for one in step.landing.batch] == [c.task for c in found[:LARGEST_BATCH]]


def test_a_landing_calls_back_those_aside() -> None:
    landing = merge_queue.record_conflict(START, conflict("b", behind="a"))
    landed = BatchLanded(tasks=("a",), tip="tip", commit="new")

    landing = merge_queue.record_landed(landing, landed)
    assert (landing.tip, landing.tip_green, landing.aside) == ("new", True, frozenset())


def test_a_moved_target_voids_what_was_tested_but_not_what_is_known_of_trees() -> None:
    step = merge_queue.advance_queue(START, [contender("a")], settled=NOTHING)
    assert isinstance(step.command, CheckBatch)
    landing = merge_queue.record_check(step.landing, checked(step.command, passed=True))

    landing = merge_queue.record_moved(landing, TargetMoved(tip="new"))
    assert (landing.tip, landing.tip_green, landing.batch) == ("new", False, ())
    assert landing.green == {"tip+a"}


def test_a_tip_of_unknown_colour_is_checked_before_anyone_is_accused() -> None:
    unknown = replace(START, tip_green=False)
    red_tip = Track(map(contender, "ab"), bad=lambda _: True, landing=unknown).run()
    green_tip = Track(map(contender, "ab"), bad=is_red("a"), landing=unknown).run()

    assert red_tip.landing.stuck == "the target itself does not pass the check: red"
    assert red_tip.checks == ["ab", "", "", ""]
    assert not red_tip.culprits
    assert green_tip.landed == ["b"]


def test_nothing_moves_while_an_answer_is_awaited_or_nothing_can_land() -> None:
    for landing in (replace(START, asked=PendingStep.CHECK), replace(START, stuck="red")):
        step = merge_queue.advance_queue(landing, [contender("a")], settled=NOTHING)
        assert step == merge_queue.QueueStep(landing=landing)


@pytest.mark.parametrize("reason", ["the target is in the way", ""])
def test_a_diverted_train_stays_diverted(reason: str) -> None:
    event = BatchLanded(tasks=("a",), tip="tip", commit="new", branch="ours", reason=reason)
    landing = merge_queue.record_landed(START, event)
    step = merge_queue.advance_queue(landing, [contender("b")], settled=NOTHING)
    assert isinstance(step.command, CheckBatch)

    landing = merge_queue.record_check(step.landing, checked(step.command, passed=True))
    command = merge_queue.advance_queue(landing, [contender("b")], settled=NOTHING).command
    assert isinstance(command, LandBatch)
    assert command.diverted


@pytest.mark.parametrize("risk", [0.02, 0.05, 0.2])
def test_the_queue_needs_about_as_many_checks_as_the_optimal_plan(risk: float) -> None:
    source, tasks = random.Random(7), [f"t{i:02}" for i in range(16)]
    queue = plan = 0
    for _ in range(60):
        bad = {task for task in tasks if source.random() < risk}
        found = [contender(task, risk=risk) for task in tasks]
        track = Track(found, bad=has_one_of(bad)).run()
        queue += len(track.checks) - track.confirmed
        plan += count_checks([task in bad for task in tasks], risk=risk)

    assert queue == pytest.approx(plan, rel=0.06)


@pytest.mark.parametrize("fail_every", [1, 2, 3])
def test_wrong_risks_never_cost_more_than_half_again_of_one_by_one(fail_every: int) -> None:
    tasks = [f"t{i:02}" for i in range(48)]
    bad = set(tasks[::fail_every])
    found = [contender(task, risk=0.02) for task in tasks]
    track = Track(found, bad=has_one_of(bad)).run()

    assert set(track.culprits) == bad
    assert len(track.checks) - track.confirmed <= 1.5 * len(tasks) + 2
