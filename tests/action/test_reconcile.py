"""Tests plans that run twice, at once, late or only in part: nothing is made twice or lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from github.Requester import Requester

from concertmaster.errors import Error
from tests.action.plan_tries import Stage, Try, is_duplicate, state_of
from tests.github import tracker
from tests.github.double import Double
from tests.github.faults import Effect, Fault
from tests.github.state import Issue

pytestmark = pytest.mark.matrix

HOURS = 3 * 3600.0
REQUEST = Requester.requestJsonAndCheck


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Double(tmp_path / "hosting") as double:
        yield Stage(double=double, folder=tmp_path)
    assert double.violations == []


@pytest.fixture(params=["try_comment", "try_dispatch", "try_another_comment"])
def set_up(stage: Stage, request: pytest.FixtureRequest) -> Callable[[], Try]:
    found: Callable[[], Try] = getattr(stage, request.param)
    return found


class Killed(BaseException):
    """The job's machine is gone."""


def undisturbed(set_up: Callable[[], Try]) -> dict[str, Any]:
    tried = set_up()
    tried.run()
    return state_of(tried)


@dataclass
class Interruption:
    """A call of `act`, once, after the n-th request of PyGithub."""

    number: int
    act: Callable[[], None]
    calls: int = 0

    @property
    def came(self) -> bool:
        return self.calls >= self.number

    @contextmanager
    def waits(self) -> Iterator[None]:
        def call(requester: Requester, *args: Any, **more: Any) -> Any:
            answer = REQUEST(requester, *args, **more)
            self.calls += 1
            if self.calls == self.number:
                self.act()
            return answer

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Requester, "requestJsonAndCheck", call)
            yield


def kill() -> None:
    raise Killed


@pytest.mark.parametrize("set_up", ["try_comment", "try_another_comment"], indirect=True)
def test_a_plan_that_stops_after_any_call_is_completed_by_the_next(
    set_up: Callable[[], Try],
) -> None:
    expected = undisturbed(set_up)
    for number in count(1):
        tried = set_up()
        death = Interruption(number, kill)
        with death.waits(), suppress(Killed):
            tried.run()
        if not death.came:
            assert number > 10
            return
        tried.run()
        assert state_of(tried) == expected, f"killed after call {number}"
        assert not any(map(is_duplicate, tried.repository.issues.values()))


@pytest.mark.parametrize("set_up", ["try_comment", "try_dispatch"], indirect=True)
def test_a_whole_second_plan_in_the_middle_of_the_first_makes_nothing_twice(
    set_up: Callable[[], Try],
) -> None:
    expected = undisturbed(set_up)
    for number in count(1):
        first = set_up()
        other = Interruption(number, first.beside().run)
        with other.waits():
            first.run()
        if not other.came:
            return
        assert state_of(first) == expected, f"after call {number}"


def test_two_plans_at_once_make_nothing_twice(stage: Stage) -> None:
    expected = undisturbed(stage.try_comment)
    for _ in range(5):
        tried = stage.try_comment()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(Try.run, (tried, tried.beside())))
        assert state_of(tried) == expected


def test_of_issues_that_were_made_twice_the_first_stays_and_the_second_says_so(
    stage: Stage,
) -> None:
    again: list[Issue] = []
    for number in count(1):
        tried = stage.try_comment()
        with Interruption(number, tried.beside().run).waits():
            tried.run()
        again = [one for one in tried.repository.issues.values() if is_duplicate(one)]
        if again:
            break

    assert [one.title for one in again] == [
        f"Write {name}.txt" for name in ("apple", "pear", "plum")
    ]
    assert "Duplicate of #2, made at the same time." in (again[0].body or "")
    assert {one.state_reason for one in again} == {"duplicate"}


def test_a_plan_that_runs_again_changes_nothing(set_up: Callable[[], Try]) -> None:
    tried = set_up()
    tried.run()
    before = state_of(tried)
    tried.workflow.double.clock.advance(HOURS)
    tried.workflow.double.lag(60)
    tried.workflow.double.log.clear()

    tried.run()

    assert state_of(tried) == before
    writes = [one for one in tried.workflow.double.log if one.is_write and "/repos/" in one.path]
    assert {one.path.rpartition("/")[2] for one in writes} <= {"reactions", "labels"}


def test_lists_that_lag_behind_a_lost_answer_make_nothing_twice(
    stage: Stage, set_up: Callable[[], Try]
) -> None:
    """The lists lag for less time than we wait before we look."""
    expected = undisturbed(set_up)
    stage.double.lag(5)
    for path in ("*/issues", "*/comments", "*/graphql"):
        tried = set_up()
        stage.double.faults.clear()
        stage.double.fail(Fault(effect=Effect.BAD_GATEWAY_AFTER, method="POST", path=path))

        with suppress(Error):
            tried.run()
        stage.double.faults.clear()
        stage.double.clock.advance(60)
        tried.run()

        assert state_of(tried) == expected, path


def test_issues_of_an_earlier_run_are_open_and_running_for_the_next(stage: Stage) -> None:
    tried = stage.try_another_comment()
    mine = tracker.find_or_make_label(stage.double.store, tried.repository, "mine")
    children = list(tried.repository.issues.values())[1:]
    children[0].labels.append(mine.id)

    tried.run()

    assert list(tried.repository.issues.values())[1:] == children
    assert {issue.state for issue in children} == {"open"}
    named = [{label.name for label in tried.repository.labels_of(one)} for one in children]
    running = {"concertmaster", "concertmaster:running"}
    assert named == [{*running, "mine"}, running, running]
    run = tried.workflow.outputs["run"]
    assert all(f"run={run} " in (issue.body or "") for issue in children)


def test_the_plan_takes_the_place_of_an_error_that_a_try_before_told(stage: Stage) -> None:
    tried = stage.try_comment()
    stage.double.fail(Fault(effect=Effect.NOT_FOUND, path="*/info/refs", nth=1))
    with pytest.raises(Error, match="could not be cloned"):
        tried.run()
    told = tried.repository.issues[1].comments[-1]
    assert "Nothing was started" in told.body

    tried.run()

    assert tried.repository.issues[1].comments[-1] is told
    assert "### Plan of run" in told.body
    assert len(tried.repository.issues[1].comments) == 2
