from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import github
import pytest
import requests
from github import GithubException
from github.Repository import Repository as Client

from tests.conftest import wait_until
from tests.github.double import Double
from tests.github.faults import Effect, Fault
from tests.github.limits import Allowance
from tests.github.people import User
from tests.github.state import Repository

pytestmark = pytest.mark.matrix  # the tests of the double

Connect = Callable[[str], Client]


def refused(do: Callable[[], object]) -> tuple[int, str]:
    with pytest.raises(GithubException) as error:
        do()
    return error.value.status, error.value.data["message"]


@pytest.mark.parametrize("given", [{"issues": "read"}, {"contents": "write"}, {}])
def test_a_write_with_a_read_token_is_refused_in_githubs_words(
    double: Double, repository: Repository, connect: Connect, given: dict[str, str]
) -> None:
    client = connect(double.workflow_token(repository, given))

    said = refused(lambda: client.create_issue("Title"))

    assert said == (403, "Resource not accessible by integration")
    assert repository.issues == {}


def test_labels_and_comments_on_a_pull_request_need_its_own_permission(
    double: Double,
    repository: Repository,
    connect: Connect,
    make_pull: Callable[..., object],
) -> None:
    make_pull("topic", {"b.txt": "b\n"})
    issues_only = connect(double.workflow_token(repository, {"issues": "write"}))
    pulls_only = connect(double.workflow_token(repository, {"pull_requests": "write"}))

    assert refused(lambda: issues_only.get_issue(1).create_comment("x"))[0] == 403
    pulls_only.get_issue(1).create_comment("x")


def test_a_merge_needs_contents(
    double: Double, repository: Repository, connect: Connect, make_pull: Callable[..., object]
) -> None:
    make_pull("topic", {"b.txt": "b\n"})
    client = connect(double.workflow_token(repository, {"pull_requests": "write"}))

    assert refused(lambda: client.get_pull(1).merge())[0] == 403


def test_a_token_reaches_only_its_repository(
    double: Double, repository: Repository, token: str
) -> None:
    other = double.add_repository("ada/other")
    api = github.Github(auth=github.Auth.Token(token), base_url=double.url, retry=None, lazy=True)

    said = refused(lambda: api.get_repo(other.full_name).create_issue("Title"))

    assert said == (403, "Resource not accessible by integration")


def test_a_wrong_token_is_told(connect: Connect) -> None:
    assert refused(lambda: connect("ghs_wrong").create_issue("x")) == (401, "Bad credentials")


def test_who_asks_is_not_told_by_rest_to_an_app(double: Double, token: str, eve: User) -> None:
    app = github.Github(auth=github.Auth.Token(token), base_url=double.url, retry=None)
    user = github.Github(
        auth=github.Auth.Token(double.user_token(eve)), base_url=double.url, retry=None
    )

    assert refused(lambda: app.get_user().login)[0] == 403
    assert user.get_user().login == "Eve"


@pytest.fixture
def small(tmp_path: Path) -> Double:
    return Double(tmp_path / "small", allowance=Allowance(app_per_hour=2, content_per_hour=1))


def test_the_hour_ends_and_begins_again(small: Double, connect: Connect) -> None:
    with small:
        repository = small.add_repository("ada/opera")
        token = small.workflow_token(repository, {"issues": "write"})
        api = github.Github(auth=github.Auth.Token(token), base_url=small.url, retry=None)
        client = api.get_repo("ada/opera")
        [*client.get_issues()]

        with pytest.raises(github.RateLimitExceededException) as error:
            [*client.get_issues()]
        assert (error.value.headers or {})["x-ratelimit-remaining"] == "0"
        assert api.get_rate_limit().resources.core.remaining == 0

        small.clock.advance(3600)
        assert [*client.get_issues()] == []


def test_content_has_limits_of_its_own(client: Client, double: Double) -> None:
    for number in range(80):
        client.create_issue(f"Issue {number}")

    with pytest.raises(GithubException) as error:
        client.create_issue("One more")

    assert error.value.status == 403
    assert "secondary rate limit" in error.value.data["message"]
    assert (error.value.headers or {})["retry-after"] == "60"
    double.clock.advance(61)
    client.create_issue("One more")


def test_a_batch_counts_each_of_its_creations(
    client: Client, double: Double, repository: Repository
) -> None:
    _, found = client.requester.graphql_query(
        '{ repository(owner: "ada", name: "opera") { id } }', {}
    )
    node = found["data"]["repository"]["id"]
    one = f'createIssue(input: {{repositoryId: "{node}", title: "x"}}) {{ clientMutationId }}'
    batch = "mutation { " + " ".join(f"m{number}: {one}" for number in range(81)) + " }"

    said = refused(lambda: client.requester.graphql_query(batch, {}))

    assert said[0] == 403
    assert len(repository.issues) == 80


@pytest.mark.parametrize(
    ("effect", "status", "made"),
    [
        (Effect.BAD_GATEWAY_BEFORE, 502, ["First", "Third"]),
        (Effect.BAD_GATEWAY_AFTER, 502, ["First", "Second", "Third"]),
        (Effect.SECONDARY_LIMIT, 403, ["First", "Third"]),
        (Effect.TOO_MANY_REQUESTS, 429, ["First", "Third"]),
        (Effect.NOT_FOUND, 404, ["First", "Third"]),
    ],
)
def test_a_fault_strikes_the_nth_call_that_fits(
    client: Client, double: Double, effect: Effect, status: int, made: list[str]
) -> None:
    double.fail(Fault(effect=effect, method="POST", path="/repos/*/issues", nth=2))

    client.create_issue("First")
    assert refused(lambda: client.create_issue("Second"))[0] == status
    client.create_issue("Third")

    assert [issue.title for issue in client.get_issues(direction="asc")] == made


def test_an_answer_may_be_lost_after_the_write(
    client: Client, double: Double, repository: Repository
) -> None:
    double.fail(Fault(effect=Effect.DROP_AFTER, method="POST", path="*/issues"))

    with pytest.raises(requests.ConnectionError):
        client.create_issue("Title")

    assert len(repository.issues) == 1
    assert double.log.matching("POST", "*/issues")[0].status is None


def test_an_answer_may_never_come(double: Double, repository: Repository, token: str) -> None:
    double.fail(Fault(effect=Effect.TIMEOUT_AFTER, method="POST", path="*/issues"))

    with pytest.raises(requests.Timeout):
        requests.post(
            f"{double.url}/repos/ada/opera/issues",
            json={"title": "Title"},
            headers={"Authorization": f"Bearer {token}"},
            timeout=(None, 0.2),
        )

    wait_until(lambda: len(repository.issues) == 1)


def test_the_log_tells_who_did_what(client: Client, double: Double, token: str) -> None:
    client.create_issue("Title")
    client.requester.graphql_query("{ viewer { login } rateLimit { used } }", {})

    calls = [(call.method, call.path, call.status, call.cost, call.fields) for call in double.log]

    assert calls == [
        ("POST", "/repos/ada/opera/issues", 201, 1, ()),
        ("POST", "/graphql", 200, 1, ("viewer", "rateLimit")),
    ]
    assert {call.token for call in double.log} == {token}


def test_calls_at_the_same_time_make_each_thing_once(
    connect: Connect, token: str, repository: Repository
) -> None:
    clients = [connect(token) for _ in range(8)]
    threads = [
        threading.Thread(target=client.create_issue, args=(f"Issue {number}",))
        for number, client in enumerate(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(repository.issues) == [*range(1, 9)]
