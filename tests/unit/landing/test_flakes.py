"""A check that fails at random finds its culprits, and names no innocent once it is known."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest

from concertmaster.commands import CheckBatch, LandBatch
from concertmaster.events import BaseChecked, BatchChecked, BatchLanded, Event
from concertmaster.landing import merge_queue
from concertmaster.landing.flake_rules import count_confirmations, is_known_flake
from concertmaster.landing.merge_queue import CONFIRMATIONS, Landing, QueuedTask, SettledTasks
from concertmaster.model import NO_FLAKES, KnownFlakes
from concertmaster.report.flakes import count_flakes
from concertmaster.run.excuses import judge_check

RUNS, TASKS, FLAKE_RATE = 100, 32, 0.10
FLAKE, REAL = "test_network", "test_of_the_culprit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A run of the queue: the tasks that it left out, and its checks."""

    lost: frozenset[str]
    events: tuple[BatchChecked, ...]


Check = Callable[[frozenset[str]], tuple[str, ...]]


def play(check: Check, known: KnownFlakes, *, names: bool = True) -> Played:
    """Play a run; `check` returns the tests that fail. With `names` the log names them."""
    landing = Landing(tip="base", tip_green=True, known=known)
    tasks = {name: queue_task(name) for name in (f"t{number:02}" for number in range(TASKS))}
    landed = dict[str, str]()
    lost = set[str]()
    events: list[BatchChecked] = []
    while True:
        settled = SettledTasks(intact=landed, landed=frozenset(landed), lost=frozenset(lost))
        step = merge_queue.advance_queue(landing, tuple(tasks.values()), settled=settled)
        landing = step.landing
        for culprit in step.culprits:
            lost.add(culprit)
            del tasks[culprit]
        if isinstance(step.command, CheckBatch):
            event = perform(step.command, check, frozenset(landed), names=names)
            events.append(event)
            landing = judge_check(landing, event)
        elif isinstance(step.command, LandBatch):
            landed |= {task: tasks.pop(task).head for task in step.command.tasks}
            commit = step.command.commit
            event_landed = BatchLanded(tasks=step.command.tasks, tip=landing.tip, commit=commit)
            landing = merge_queue.record_landed(landing, event_landed)
        elif not step.culprits:
            return Played(lost=frozenset(lost), events=tuple(events))


def queue_task(name: str) -> QueuedTask:
    return QueuedTask(
        task=name, title=name, base="base", head=name, built_on=(), needs=frozenset(), risk=0.02
    )


def perform(
    command: CheckBatch, check: Check, landed: frozenset[str], *, names: bool
) -> BatchChecked:
    tasks = tuple(candidate.task for candidate in command.candidates)
    tree = "+".join(sorted(landed | {*tasks}))
    cached = tree in command.green | command.red
    failing = () if tree in command.green else check(landed | {*tasks})
    return BatchChecked(
        tasks=tasks,
        tip=command.tip,
        commit=tree,
        tree=tree,
        passed=tree not in command.red if cached else not failing,
        reason="red",
        seconds=1.0,
        cached=cached,
        failing=failing if names and not cached else (),
    )


def flaky_check(seed: int) -> tuple[str, Check]:
    """Return the culprit of this seed, and a check that fails with it and at random."""
    chance = random.Random(seed)
    culprit = f"t{chance.randrange(TASKS):02}"

    def check(tasks: frozenset[str]) -> tuple[str, ...]:
        flake = (FLAKE,) if chance.random() < FLAKE_RATE else ()
        return (REAL, *flake) if culprit in tasks else flake

    return culprit, check


def learn(events: Sequence[Event]) -> KnownFlakes:
    found = count_flakes(events, check="pytest")
    return KnownFlakes(checks=found.checks, failures=found.failures, tests=found.tests)


@pytest.mark.parametrize("names", [True, False], ids=["named", "unnamed"])
def test_of_100_runs_each_finds_its_culprit_and_no_innocent_once_the_flake_is_known(
    names: bool,
) -> None:
    seen: tuple[BatchChecked, ...] = ()
    innocents = 0
    for seed in range(RUNS):
        culprit, check = flaky_check(seed)
        first = play(check, NO_FLAKES, names=names)
        assert culprit in first.lost
        innocents += len(first.lost - {culprit})
        seen += tuple(replace(e, tree=f"{seed} {e.tree}") for e in first.events)
    assert innocents <= 3

    known = learn(seen)
    assert 0.05 < known.failures / known.checks < 0.2
    assert known.tests == ((FLAKE,) if names else ())
    for seed in range(RUNS, 2 * RUNS):
        culprit, check = flaky_check(seed)
        assert play(check, known, names=names).lost == {culprit}


def test_a_known_flake_that_fails_each_time_is_found_all_the_same() -> None:
    known = KnownFlakes(checks=100, failures=5, tests=(FLAKE,))
    broken = play(lambda tasks: (FLAKE,) if "t07" in tasks else (), known)
    assert broken.lost == {"t07"}


def test_a_failure_of_known_flakes_alone_starts_no_search() -> None:
    known = KnownFlakes(checks=100, failures=5, tests=(FLAKE,))
    answers = iter([(FLAKE,), (FLAKE,)])
    played = play(lambda _: next(answers, ()), known)
    checks = [event.tasks for event in played.events]
    assert played.lost == frozenset()
    assert len(checks) == 3
    assert len({*checks}) == 1


@pytest.mark.parametrize(
    ("checks", "failures", "confirmations"),
    [(0, 0, 2), (100, 0, 2), (1000, 1, 2), (100, 1, 2), (100, 10, 5), (10, 5, 10), (1, 1, 10)],
)
def test_confirmations_follow_the_known_rate(
    checks: int, failures: int, confirmations: int
) -> None:
    known = KnownFlakes(checks=checks, failures=failures)
    assert count_confirmations(known, least=CONFIRMATIONS) == confirmations


def test_a_failure_is_a_known_flake_only_if_all_that_failed_is_known() -> None:
    known = KnownFlakes(tests=("a", "b"))
    assert is_known_flake(known, ["a"])
    assert not is_known_flake(known, ["a", "c"])
    assert not is_known_flake(known, [])


def test_only_trees_that_passed_tell_of_flakes() -> None:
    base = BaseChecked(tree="0", passed=True, reason="", seconds=1.0, tip="base")
    checked = BatchChecked(
        tasks=("t00",), tip="base", commit="c", tree="1", passed=False, reason="", seconds=1.0
    )
    red = replace(checked, tree="2", failing=("c",))
    events = (
        base,
        replace(checked, failing=("a", "b")),
        replace(checked, failing=("b",)),
        replace(checked, passed=True),
        replace(checked, passed=True, cached=True),
        red,
        red,
    )
    assert learn(events) == KnownFlakes(checks=4, failures=2, tests=("a", "b"))
