"""Plans that run twice, at once, late, or stop in the middle: nothing twice, nothing lost."""

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
from tests.github.double import Double
from tests.github.faults import Effect, Fault
from tests.jobs.stage import Stage, Try, is_duplicate, state_of

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
    tried.plan()
    return state_of(tried)


@dataclass
class Interruption:
    """`act` after the n-th call of the library, once."""

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


def test_a_plan_that_stops_after_any_call_is_completed_by_the_next(
    set_up: Callable[[], Try],
) -> None:
    expected = undisturbed(set_up)
    for number in count(1):
        tried = set_up()
        death = Interruption(number, kill)
        with death.waits(), suppress(Killed):
            tried.plan()
        if not death.came:
            assert number > 10
            return
        tried.plan()
        assert state_of(tried) == expected, f"killed after call {number}"
        assert not any(map(is_duplicate, tried.repository.issues.values()))


def test_a_whole_second_plan_in_the_middle_of_the_first_makes_nothing_twice(
    set_up: Callable[[], Try],
) -> None:
    expected = undisturbed(set_up)
    for number in count(1):
        first = set_up()
        other = Interruption(number, first.beside().plan)
        with other.waits():
            first.plan()
        if not other.came:
            return
        assert state_of(first) == expected, f"after call {number}"


def test_two_plans_at_once_make_nothing_twice(stage: Stage) -> None:
    expected = undisturbed(stage.try_comment)
    for _ in range(5):
        tried = stage.try_comment()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(Try.plan, (tried, tried.beside())))
        assert state_of(tried) == expected


def test_of_issues_that_were_made_twice_the_first_stays_and_the_second_says_so(
    stage: Stage,
) -> None:
    tried = stage.try_comment()
    with Interruption(11, tried.beside().plan).waits():
        tried.plan()

    again = [one for one in tried.repository.issues.values() if is_duplicate(one)]

    assert [one.title for one in again] == ["Write apple.txt", "Write pear.txt", "Write plum.txt"]
    assert "Duplicate of #2, made at the same time." in (again[0].body or "")
    assert [one.state_reason for one in again] == ["duplicate"] * 3


def test_a_plan_that_runs_again_changes_nothing(set_up: Callable[[], Try]) -> None:
    tried = set_up()
    tried.plan()
    before = state_of(tried)
    tried.workflow.double.clock.advance(HOURS)
    tried.workflow.double.lag(60)
    tried.workflow.double.log.clear()

    tried.plan()

    assert state_of(tried) == before
    writes = [one for one in tried.workflow.double.log if one.is_write and "/repos/" in one.path]
    assert [one.path.rpartition("/")[2] for one in writes] in ([], ["reactions"])


def test_lists_that_lag_behind_a_lost_answer_make_nothing_twice(
    stage: Stage, set_up: Callable[[], Try]
) -> None:
    """As long as they lag less than we wait before we look."""
    expected = undisturbed(set_up)
    stage.double.lag(5)
    for path in ("*/issues", "*/comments", "*/graphql"):
        tried = set_up()
        stage.double.faults.clear()
        stage.double.fail(Fault(effect=Effect.BAD_GATEWAY_AFTER, method="POST", path=path))

        with suppress(Error):
            tried.plan()
        stage.double.faults.clear()
        stage.double.clock.advance(60)
        tried.plan()

        assert state_of(tried) == expected, path
