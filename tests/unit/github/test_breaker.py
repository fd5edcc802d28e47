"""The client stops calling where GitHub has not answered three calls in a row."""

from __future__ import annotations

import pytest

from concertmaster.github.breaker import RECOVERY_SECONDS
from concertmaster.github.errors import GivenUp, NotFound
from concertmaster.github.issues import IssueClient
from tests.unit.github.answers import REPOSITORY, Clock, Registry, refuse

LABEL = f"{REPOSITORY}/issues/1/labels/x"


def lose(issue_client: IssueClient) -> GivenUp:
    with pytest.raises(GivenUp) as caught:
        issue_client.issue(1)
    return caught.value


def test_after_three_calls_in_vain_and_one_wait_no_call_is_made(
    github: Registry, issue_client: IssueClient, clock: Clock
) -> None:
    answer = github.get(f"{REPOSITORY}/issues/1", status=502)
    for _ in range(2):
        lose(issue_client)
    assert RECOVERY_SECONDS not in clock.slept
    lose(issue_client)
    assert clock.slept.count(RECOVERY_SECONDS) == 1
    calls, waits = answer.call_count, len(clock.slept)

    told = lose(issue_client)

    assert "GitHub does not answer" in told.what
    assert (answer.call_count, len(clock.slept)) == (calls, waits)


def test_a_call_that_is_answered_after_the_wait_goes_on(
    github: Registry, issue_client: IssueClient, clock: Clock
) -> None:
    url = f"{REPOSITORY}/issues/1"
    bad = github.get(url, status=502)
    lose(issue_client)
    lose(issue_client)
    sleep = clock.sleep

    def recover(seconds: float) -> None:
        sleep(seconds)
        if seconds == RECOVERY_SECONDS:
            github.replace("GET", url, status=404, json=refuse("Not Found"))

    clock.sleep = recover  # type: ignore[method-assign]
    with pytest.raises(NotFound):
        issue_client.issue(1)
    assert bad.call_count > 0

    github.replace("GET", url, status=502)
    for _ in range(3):
        assert "GitHub does not answer" not in lose(issue_client).what
    assert "GitHub does not answer" in lose(issue_client).what
    assert clock.slept.count(RECOVERY_SECONDS) == 1


def test_a_refusal_between_is_an_answer(
    github: Registry, issue_client: IssueClient, clock: Clock
) -> None:
    bad = github.get(f"{REPOSITORY}/issues/1", status=502)
    github.get(f"{REPOSITORY}/issues/2", status=404, json=refuse("Not Found"))
    for _ in range(4):
        lose(issue_client)
        with pytest.raises(NotFound):
            issue_client.issue(2)
    assert bad.call_count == 4 * 7
    assert RECOVERY_SECONDS not in clock.slept
