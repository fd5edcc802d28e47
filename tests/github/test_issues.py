from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from github import GithubException
from github.Repository import Repository as Client

from tests.github.double import Double
from tests.github.people import Role, User
from tests.github.state import Repository

Connect = Callable[[str], Client]


def status_of(error: pytest.ExceptionInfo[GithubException]) -> tuple[int, str]:
    return error.value.status, error.value.data["message"]


def test_what_one_library_makes_the_other_reads(client: Client, reader: Any) -> None:
    made = client.create_issue("Title", "Body", labels=["concertmaster"])

    read = reader.issue("ada", "opera", made.number)

    assert (read.title, read.body, read.user.login) == ("Title", "Body", "github-actions[bot]")
    assert [label.name for label in read.original_labels] == ["concertmaster"]


def test_database_ids_are_not_numbers(client: Client) -> None:
    issue = client.create_issue("Title")

    assert issue.number == 1
    assert issue.id > 2**32
    assert issue.node_id.startswith("I_")


def test_issues_and_pull_requests_share_their_numbers(
    client: Client, make_pull: Callable[..., object]
) -> None:
    client.create_issue("First")
    make_pull("topic", {"b.txt": "b\n"})

    assert client.create_issue("Third").number == 3
    assert [bool(issue.pull_request) for issue in client.get_issues()] == [False, True, False]


def test_a_list_is_filtered_by_labels_state_and_time(client: Client, double: Double) -> None:
    client.create_issue("Old", labels=["a", "b"])
    client.create_issue("Closed", labels=["a"]).edit(state="closed", state_reason="not_planned")
    double.clock.advance(3600)
    client.create_issue("New", labels=["a"])

    def titles(**wanted: Any) -> list[str]:
        return [issue.title for issue in client.get_issues(**wanted)]

    assert titles(labels=["a"]) == ["New", "Old"]
    assert titles(labels=["A", "b"]) == ["Old"]
    assert titles(state="closed") == ["Closed"]
    assert titles(since=datetime.now(UTC) + timedelta(minutes=30), state="all") == ["New"]


def test_a_list_comes_in_pages_with_links(client: Client, double: Double) -> None:
    for number in range(7):
        client.create_issue(f"Issue {number}")

    headers, first = client.requester.requestJsonAndCheck(
        "GET", f"{client.url}/issues", parameters={"per_page": 3, "page": 2}
    )

    assert [issue["number"] for issue in first] == [4, 3, 2]
    rels = [part.split("rel=")[1] for part in headers["link"].split(", ")]
    assert rels == ['"prev"', '"next"', '"last"', '"first"']


def test_an_unchanged_list_costs_nothing(client: Client, reader: Any, double: Double) -> None:
    client.create_issue("Title")
    found = reader.issues_on("ada", "opera")
    assert len([*found]) == 1
    before = reader.rate_limit()["resources"]["core"]["used"]

    found.refresh(conditional=True)

    assert [*found] == []
    assert double.log.matching("GET", "/repos/ada/opera/issues")[-1].status == 304
    assert reader.rate_limit()["resources"]["core"]["used"] == before


def test_a_comment_is_edited_by_its_author_and_those_who_write(
    client: Client, double: Double, repository: Repository, connect: Connect, eve: User
) -> None:
    comment = client.create_issue("Title").create_comment("one")
    comment.edit("two")
    stranger = connect(double.user_token(double.add_user("mallory")))

    with pytest.raises(GithubException) as refused:
        stranger.get_issue(1).get_comment(comment.id).edit("mine")
    connect(double.user_token(eve)).get_issue(1).get_comment(comment.id).edit("three")

    assert status_of(refused) == (403, "Must have admin rights to Repository.")
    assert repository.issues[1].comments[0].body == "three"


def test_a_body_of_a_person_has_the_line_ends_of_a_browser(
    client: Client, double: Double, repository: Repository, ada: User
) -> None:
    issue = double.open_issue(repository, user=ada, title="Parent", body="one\ntwo")
    double.comment(repository, issue, user=ada, body="/orchestrate\nparallel=4")

    assert client.get_issue(1).body == "one\r\ntwo"
    assert next(iter(client.get_issue(1).get_comments())).body == "/orchestrate\r\nparallel=4"


@pytest.mark.parametrize(("length", "accepted"), [(65_536, True), (65_537, False)])
def test_a_body_has_65536_characters_at_most(client: Client, length: int, accepted: bool) -> None:
    if accepted:
        client.create_issue("Title", "é" * length)
        return
    with pytest.raises(GithubException) as refused:
        client.create_issue("Title", "é" * length)

    error = refused.value.data["errors"][0]
    assert refused.value.status == 422
    assert error["message"] == "body is too long (maximum is 65536 characters)"
    assert (error["resource"], error["field"], error["code"]) == ("Issue", "body", "custom")


def test_a_label_is_made_when_it_is_first_used(client: Client, repository: Repository) -> None:
    issue = client.create_issue("Title")
    issue.add_to_labels("concertmaster:queued", "x")
    issue.set_labels("concertmaster:running")

    assert [label.name for label in issue.get_labels()] == ["concertmaster:running"]
    assert [label.name for label in repository.labels] == [
        "concertmaster:queued",
        "x",
        "concertmaster:running",
    ]
    with pytest.raises(GithubException) as refused:
        client.create_label("X", "ff0000")
    assert refused.value.data["errors"][0]["code"] == "already_exists"


def test_labels_of_those_who_may_not_are_dropped_without_a_word(
    double: Double, connect: Connect, client: Client
) -> None:
    client.create_label("x", "ff0000")
    stranger = connect(double.user_token(double.add_user("mallory")))

    issue = stranger.create_issue("Title", labels=["x"], assignees=["ada"])

    assert (issue.labels, issue.assignees) == ([], [])


def test_nobody_reacts_twice_in_the_same_way(client: Client) -> None:
    comment = client.create_issue("Title").create_comment("/orchestrate")

    assert comment.create_reaction("eyes").id == comment.create_reaction("eyes").id
    assert [one.content for one in comment.get_reactions()] == ["eyes"]


def test_issues_can_be_switched_off(client: Client, repository: Repository) -> None:
    repository.has_issues = False

    with pytest.raises(GithubException) as refused:
        client.create_issue("Title")

    assert status_of(refused) == (410, "Issues has been disabled in this repository.")


def test_a_locked_issue_takes_comments_only_of_those_who_write(
    double: Double, client: Client, connect: Connect, eve: User, repository: Repository
) -> None:
    client.create_issue("Title").lock("resolved")
    stranger = connect(double.user_token(double.add_user("mallory")))

    with pytest.raises(GithubException) as refused:
        stranger.get_issue(1).create_comment("Hello")
    connect(double.user_token(eve)).get_issue(1).create_comment("Hello")

    assert refused.value.status == 403
    assert len(repository.issues[1].comments) == 1


def test_a_locked_issue_takes_no_comment_of_an_app_whatever_its_token_may(
    double: Double, client: Client, connect: Connect, repository: Repository
) -> None:
    client.create_issue("Title").lock("resolved")
    token = double.workflow_token(repository, {"issues": "write", "contents": "write"})

    with pytest.raises(GithubException) as refused:
        connect(token).get_issue(1).create_comment("Hello")

    assert status_of(refused) == (403, "Unable to create comment because issue is locked.")


def test_an_issue_that_was_deleted_is_gone_and_its_number_stays_its_own(
    double: Double, client: Client, repository: Repository
) -> None:
    client.create_issue("Title")
    double.delete(repository, repository.issues[1])

    with pytest.raises(GithubException) as refused:
        client.get_issue(1).create_comment("Hello")

    assert status_of(refused) == (410, "This issue was deleted")
    assert client.create_issue("Next").number == 2


def test_an_issue_that_was_transferred_is_read_where_it_is_now(
    double: Double, client: Client, repository: Repository, eve: User
) -> None:
    client.create_issue("Title")
    other = double.add_repository("ada/theatre")
    double.open_issue(other, user=eve, title="First")
    double.transfer(repository, repository.issues[1], to=other)

    found = client.get_issue(1).raw_data

    assert (found["number"], found["title"]) == (2, "Title")
    assert found["repository_url"].endswith("/repos/ada/theatre")


def test_lists_may_lag_behind(client: Client, double: Double) -> None:
    double.lag(30)
    client.create_issue("Title")

    assert [*client.get_issues()] == []
    assert client.get_issue(1).title == "Title"
    double.clock.advance(31)
    assert len([*client.get_issues()]) == 1


def test_logins_have_no_case(client: Client, eve: User) -> None:
    assert client.get_collaborator_permission("eVE") == "write"


@pytest.mark.parametrize(
    ("role", "permission"),
    [("maintain", "write"), ("triage", "read"), ("admin", "admin"), ("none", "read")],
)
def test_the_permission_is_coarser_than_the_role(
    double: Double, repository: Repository, client: Client, role: str, permission: str
) -> None:
    double.give_role(repository, double.add_user("bob"), Role(role))

    assert client.get_collaborator_permission("bob") == permission


def test_a_private_repository_is_not_there_for_others(
    double: Double, repository: Repository, connect: Connect
) -> None:
    repository.private = True
    stranger = connect(double.user_token(double.add_user("mallory")))

    with pytest.raises(GithubException) as refused:
        stranger.get_issue(1).create_comment("Hello")

    assert status_of(refused) == (404, "Not Found")
