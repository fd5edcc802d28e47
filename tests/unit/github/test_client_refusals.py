"""GitHub's refusals become errors with a next step, or are waited out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from concertmaster.errors import EnvironmentFault
from concertmaster.github.errors import GivenUp, Invalid, NotAllowed, NotFound
from concertmaster.github.issues import IssueClient
from concertmaster.github.models import Issue
from tests.unit.github.answers import (
    NOW,
    QUERY,
    REPOSITORY,
    Clock,
    Registry,
    answer_query,
    drafts,
    issue,
    refuse,
)

Do = Callable[[IssueClient], object]
CANCEL = f"{REPOSITORY}/actions/runs/7/cancel"


def review(issue_client: IssueClient) -> None:
    issue_client.pulls.review(7, "", is_ours=bool)


def start(issue_client: IssueClient) -> None:
    issue_client.workflows.dispatch("a.yml", ref="main", inputs={})


def close(issue_client: IssueClient) -> None:
    issue_client.batches.close([issue(2)])


def cancel(issue_client: IssueClient) -> None:
    issue_client.cancel_run(7)


@pytest.mark.parametrize(
    ("request_line", "do", "permission"),
    [
        ("GET /issues/1", lambda issue_client: issue_client.issue(1), "issues: read"),
        ("GET /issues/1/comments", lambda issue_client: issue_client.comments(1), "issues: read"),
        ("GET /labels", lambda issue_client: issue_client.ensure_labels({}), "issues: read"),
        ("GET /collaborators/eve/permission", lambda f: f.permission("eve"), "metadata: read"),
        ("GET /actions/runs/7/jobs", lambda issue_client: issue_client.jobs(7), "actions: read"),
        ("POST /actions/runs/7/cancel", cancel, "actions: write"),
        ("POST /issues/comments/7/reactions", lambda f: f.react(7), "issues: write"),
        ("POST /issues/1/labels", lambda f: f.set_labels(1, add=["x"]), "issues: write"),
        (
            "DELETE /issues/1/labels/x",
            lambda f: f.set_labels(1, add=(), remove=["x"]),
            "issues: write",
        ),
        ("PATCH /issues/3", lambda f: f.retire(issue(3), body=""), "issues: write"),
        ("DELETE /issues/1/sub_issue", lambda f: f.release(issue(3, parent=1)), "issues: write"),
        ("PATCH /issues/4", lambda f: f.close_issue(4), "issues: write"),
        ("GET /pulls/7", lambda f: f.pulls.get(7), "pull-requests: read"),
        ("GET /pulls/7/reviews", review, "pull-requests: read"),
        ("GET /actions/workflows/a.yml/runs", start, "actions: read"),
    ],
)
def test_a_missing_permission_is_named_with_the_line_to_add(
    github: Registry, issue_client: IssueClient, request_line: str, do: Do, permission: str
) -> None:
    method, path = request_line.split()
    words = "Resource not accessible by integration"
    github.add(method, f"{REPOSITORY}{path}", status=403, json=refuse(words))

    with pytest.raises(NotAllowed) as error:
        do(issue_client)

    assert f"`{permission}`" in error.value.what
    assert error.value.why == words
    assert f"add the line `{permission}` to the job's `permissions:`" in error.value.next_step


@pytest.mark.parametrize(
    ("do", "permission"),
    [
        (lambda issue_client: issue_client.viewer(), "issues: read"),
        (
            lambda issue_client: issue_client.batches.reopen({"a": issue(2)}, drafts("a")),
            "issues: write",
        ),
        (close, "issues: write"),
    ],
)
def test_so_it_is_where_graphql_forbids(
    github: Registry, issue_client: IssueClient, do: Do, permission: str
) -> None:
    words = "Resource not accessible by integration"
    answer_query(github, {"m0": None}, errors=[{"type": "FORBIDDEN", "message": words}])

    with pytest.raises(NotAllowed) as error:
        do(issue_client)

    assert permission in error.value.next_step
    assert error.value.why == words


def test_an_issue_that_is_locked_has_to_be_unlocked(
    github: Registry, issue_client: IssueClient
) -> None:
    url = f"{REPOSITORY}/issues/comments/77/reactions"
    github.post(url, status=403, json=refuse("Unable to react because issue is locked."))

    with pytest.raises(NotAllowed) as error:
        issue_client.react(77)

    assert "unlock" in error.value.next_step


MISSING = {"resource": "Issue", "field": "title", "code": "missing_field"}
TOO_LONG = {"resource": "Issue", "code": "custom", "message": "title is too long"}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, refuse("Bad credentials"), (EnvironmentFault, "Bad credentials")),
        (404, refuse("Not Found"), (NotFound, "Not Found")),
        (410, refuse("Issues are disabled"), (EnvironmentFault, "Issues are disabled")),
        (410, refuse("This issue was deleted"), (NotFound, "This issue was deleted")),
        (422, refuse("Invalid", errors=[TOO_LONG]), (Invalid, "Invalid: title is too long")),
        (422, refuse("Invalid", errors=[MISSING]), (Invalid, "Invalid: title missing_field")),
        (418, refuse("I am a teapot"), (EnvironmentFault, "I am a teapot")),
        (400, [], (EnvironmentFault, "GitHub gives no reason")),
    ],
)
def test_a_refusal_is_told_in_githubs_words(
    github: Registry,
    issue_client: IssueClient,
    status: int,
    body: Any,
    expected: tuple[type[EnvironmentFault], str],
) -> None:
    tries = github.patch(f"{REPOSITORY}/issues/3", status=status, json=body)

    with pytest.raises(EnvironmentFault) as error:
        issue_client.retire(issue(3), body="")

    assert (type(error.value), error.value.why) == expected
    assert str(status) in error.value.what
    assert error.value.next_step
    assert tries.call_count == 1


def test_what_github_says_can_do_nothing_in_a_log(
    github: Registry, issue_client: IssueClient
) -> None:
    github.get(f"{REPOSITORY}/issues/1", status=422, json=refuse("a\n::error::b\x1b[31m"))

    with pytest.raises(Invalid) as error:
        issue_client.issue(1)

    assert error.value.why == "a ::error::b"


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        ({"status": 502, "body": "<html>"}, 10),
        ({"status": 503, "json": refuse("Unavailable")}, 10),
        ({"status": 429, "json": refuse("Slow down"), "headers": {"Retry-After": "77"}}, 77),
        ({"status": 429, "json": refuse("Slow down")}, 60),
        (
            {
                "status": 403,
                "json": refuse("You have exceeded a secondary rate limit."),
                "headers": {"Retry-After": "30"},
            },
            30,
        ),
        ({"status": 403, "json": refuse("You have exceeded a secondary rate limit.")}, 60),
        (
            {
                "status": 403,
                "json": refuse("API rate limit exceeded for installation ID 5."),
                "headers": {
                    "X-RateLimit-Remaining": "0",
                    "X-RateLimit-Reset": str(int(NOW) + 1799),
                },
            },
            1800,
        ),
        (
            {"status": 422, "json": refuse("x", errors=[{"message": "was submitted too quickly"}])},
            60,
        ),
        ({"body": requests.ReadTimeout("read timed out")}, 10),
        ({"body": requests.ConnectionError("reset")}, 10),
        ({"status": 200, "body": '{"cut'}, 10),
    ],
)
def test_a_write_waits_as_long_as_github_says_and_is_made_again(
    github: Registry, issue_client: IssueClient, clock: Clock, answer: Any, seconds: float
) -> None:
    github.post(CANCEL, **answer)
    github.post(CANCEL, status=202, json={})

    issue_client.cancel_run(7)

    assert clock.slept == [seconds]


@pytest.mark.parametrize("asked", [2999, 3001, 99999])
def test_no_wait_is_longer_than_the_job_has_time(
    github: Registry, issue_client: IssueClient, clock: Clock, asked: int
) -> None:
    github.post(CANCEL, status=403, json=refuse("?"), headers={"Retry-After": str(asked)})
    if asked < 3000:
        github.post(CANCEL, status=202, json={})
        issue_client.cancel_run(7)
        assert clock.slept == [asked]
        return
    with pytest.raises(GivenUp) as raised:
        issue_client.cancel_run(7)
    assert clock.slept == []
    assert "is found and not made twice" in raised.value.next_step


def test_after_many_waits_there_is_no_time_for_another(
    github: Registry, issue_client: IssueClient, clock: Clock
) -> None:
    github.post(CANCEL, status=403, json=refuse("?"), headers={"Retry-After": "1200"})
    with pytest.raises(GivenUp):
        issue_client.cancel_run(7)
    assert sum(clock.slept) <= 3000


def test_a_wait_that_a_person_notices_is_told(
    github: Registry, issue_client: IssueClient, said: list[str]
) -> None:
    github.post(CANCEL, status=429, json=refuse("Slow down"), headers={"Retry-After": "90"})
    github.post(CANCEL, status=202, json={})

    issue_client.cancel_run(7)

    assert said == ["GitHub is busy or limits us: waiting 1m 30s"]


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ({"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]}, 60),
        (refuse("You have exceeded a secondary rate limit."), 60),
        ({"data": None, "errors": [{"message": "Something went wrong while executing"}]}, 10),
        ({"errors": [{"message": "Something went wrong while executing your query"}]}, 10),
    ],
)
def test_so_it_is_where_graphql_says_it_with_status_200(
    github: Registry, issue_client: IssueClient, clock: Clock, body: Any, seconds: float
) -> None:
    github.post(QUERY, json=body)
    answer_query(github, {"viewer": {"login": "bot"}})

    assert issue_client.viewer() == "bot"
    assert clock.slept == [seconds]


@pytest.mark.parametrize(
    ("errors", "kind"),
    [
        ([{"type": "NOT_FOUND", "message": "Could not resolve to a node"}], NotFound),
        ([{"type": "UNPROCESSABLE", "message": "Body is too long"}], Invalid),
        ([{"type": "VALIDATION", "message": "Priority has already been taken"}], Invalid),
        (
            [
                {"type": "NOT_FOUND", "message": "Could not resolve to a node"},
                {"type": "UNPROCESSABLE", "message": "Body is too long"},
            ],
            Invalid,
        ),
    ],
)
def test_a_mutation_that_is_refused_is_not_made_again(
    github: Registry,
    issue_client: IssueClient,
    clock: Clock,
    errors: Any,
    kind: type[EnvironmentFault],
) -> None:
    answer_query(github, {"m0": None}, errors=errors)

    with pytest.raises(kind) as error:
        issue_client.batches.reopen({"a": issue(2)}, drafts("a"))

    assert error.value.why == ": ".join(one["message"] for one in errors)
    assert error.value.next_step
    assert clock.slept == []


def test_a_write_that_goes_wrong_again_and_again_is_given_up(
    github: Registry, issue_client: IssueClient, clock: Clock
) -> None:
    github.post(CANCEL, status=502, json=refuse("Server Error"))

    with pytest.raises(EnvironmentFault) as error:
        issue_client.cancel_run(7)

    assert error.value.what == "could not cancel the workflow run, 7 times in a row"
    assert error.value.why == "GitHub answers 502: Server Error"
    assert error.value.next_step
    assert clock.slept == [10, 20, 40, 80, 160, 320]


def test_where_github_stays_at_its_limit_each_wait_is_twice_as_long(
    github: Registry, issue_client: IssueClient, clock: Clock
) -> None:
    words = "You have exceeded a secondary rate limit."
    github.post(CANCEL, status=403, json=refuse(words), headers={"Retry-After": "60"})

    with pytest.raises(GivenUp) as error:
        issue_client.cancel_run(7)

    assert error.value.why.startswith(words)
    assert clock.slept == [60, 120, 240, 480, 960]  # the next would not end in the job's time


def test_a_read_that_goes_wrong_again_and_again_is_given_up(
    github: Registry, issue_client: IssueClient
) -> None:
    tries = github.get(f"{REPOSITORY}/issues/1", status=502, json=refuse("Server Error"))

    with pytest.raises(EnvironmentFault) as error:
        issue_client.issue(1)

    assert error.value.why == "no answer from GitHub: too many 502 error responses"
    assert error.value.next_step
    assert tries.call_count == 7


def test_a_write_whose_answer_was_lost_is_not_made_again_when_it_is_found(
    github: Registry, issue_client: IssueClient, clock: Clock
) -> None:
    tries = github.post(f"{REPOSITORY}/issues", status=502, json=refuse("Server Error"))
    found: list[Issue | None] = [None, issue(4)]

    assert issue_client.create_issue(drafts("a")[0], [], look_up=lambda: found.pop(0)).number == 4
    assert tries.call_count == 1
    assert clock.slept == [10]
