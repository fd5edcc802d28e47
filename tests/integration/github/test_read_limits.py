"""Reads wait on the given clock as long as GitHub asks, and report long waits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from concertmaster.errors import EnvironmentFault
from concertmaster.github import client
from concertmaster.github.connection import Connection
from concertmaster.github.errors import GivenUp, NotAllowed
from concertmaster.github.issues import IssueClient
from tests.action.workflow import BentClock
from tests.github.double import Double
from tests.github.faults import Effect, Fault
from tests.github.limits import Allowance
from tests.github.state import Repository

CALLS = 5
PASSED = 1000  # seconds of the hour, before another job begins


@pytest.fixture
def double(tmp_path: Path) -> Iterator[Double]:
    with Double(tmp_path, allowance=Allowance(app_per_hour=CALLS)) as running:
        yield running
    assert running.violations == []


@pytest.fixture
def repository(double: Double) -> Repository:
    made = double.add_repository("ada/opera", private=True)
    double.open_issue(made, user=made.owner, title="Fruit")
    return made


@pytest.fixture
def clock(double: Double) -> BentClock:
    return BentClock(double.clock)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "TIMEOUT_SECONDS", 1)


@pytest.fixture
def issue_client(
    double: Double, repository: Repository, clock: BentClock, said: list[str]
) -> IssueClient:
    return make_forge(double, repository, clock=clock, said=said)


def make_forge(
    double: Double,
    repository: Repository,
    *,
    clock: BentClock,
    said: list[str],
    issues: str = "read",
) -> IssueClient:
    return IssueClient(
        Connection(
            url=double.url,
            repository=repository.full_name,
            token=double.workflow_token(repository, {"issues": issues} if issues else {}),
        ),
        clock=clock,
        told=said.append,
    )


def test_a_read_waits_until_the_hour_is_over(
    double: Double, repository: Repository, clock: BentClock, said: list[str]
) -> None:
    for _ in range(CALLS):
        make_forge(double, repository, clock=clock, said=said).issue(1)
    clock.clock.advance(PASSED)

    assert make_forge(double, repository, clock=clock, said=said).issue(1).title == "Fruit"
    assert 3500 < PASSED + sum(clock.slept) <= 3602
    assert said == [f"GitHub is busy or limits us: waiting {said[0].partition('waiting ')[2]}"]


def test_graphql_waits_until_its_own_hour_is_over(
    double: Double, repository: Repository, clock: BentClock, said: list[str]
) -> None:
    for _ in range(CALLS):
        make_forge(double, repository, clock=clock, said=said).viewer()
    clock.clock.advance(PASSED)

    late = make_forge(double, repository, clock=clock, said=said)
    assert late.viewer() == "github-actions[bot]"
    assert 3500 < PASSED + sum(clock.slept) <= 3602


def test_an_hour_that_ends_after_the_job_is_not_waited_for(
    issue_client: IssueClient, clock: BentClock
) -> None:
    for _ in range(CALLS):
        issue_client.issue(1)

    with pytest.raises(GivenUp, match="in the time of this job"):
        issue_client.issue(1)
    assert sum(clock.slept) == 0


@pytest.mark.parametrize(
    ("effect", "slept"),
    [
        (Effect.SECONDARY_LIMIT, 42),
        (Effect.TOO_MANY_REQUESTS, 42),
        (Effect.BAD_GATEWAY_BEFORE, 0),
        (Effect.TIMEOUT_AFTER, 0),
        (Effect.DROP_AFTER, 0),
    ],
)
def test_a_read_is_made_again(
    double: Double, issue_client: IssueClient, clock: BentClock, effect: Effect, slept: float
) -> None:
    double.fail(Fault(effect=effect, path="*/issues/1", nth=1, retry_after_seconds=42))

    assert issue_client.issue(1).title == "Fruit"
    assert clock.slept == [slept]


def test_a_server_that_stays_ill_is_given_more_time_each_try(
    double: Double, issue_client: IssueClient, clock: BentClock
) -> None:
    double.limits.allowance = Allowance()
    double.fail(Fault(effect=Effect.BAD_GATEWAY_BEFORE, path="*/issues/1"))

    with pytest.raises(EnvironmentFault, match="7 times in a row"):
        issue_client.issue(1)

    assert clock.slept == [0, 2, 4, 8, 16, 32]


def test_a_read_that_is_not_allowed_is_not_made_again(
    double: Double, repository: Repository, clock: BentClock, said: list[str]
) -> None:
    issue_client = make_forge(double, repository, clock=clock, said=said, issues="")

    with pytest.raises(NotAllowed, match="issues: read"):
        issue_client.issue(1)

    assert clock.slept == []
    assert len(double.log) == 1


def test_nothing_is_printed_past_us(
    double: Double, issue_client: IssueClient, capfd: pytest.CaptureFixture[str]
) -> None:
    double.fail(Fault(effect=Effect.SECONDARY_LIMIT, path="*/issues/1", nth=1))

    issue_client.issue(1)

    assert capfd.readouterr() == ("", "")
