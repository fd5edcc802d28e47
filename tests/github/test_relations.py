from __future__ import annotations

import pytest
from github import GithubException
from github.Repository import Repository as Client

from tests.github.double import Double
from tests.github.state import Repository

pytestmark = pytest.mark.matrix  # the tests of the double


def message_of(error: pytest.ExceptionInfo[GithubException]) -> str:
    assert error.value.status == 422
    message: str = error.value.data["errors"][0]["message"]
    return message


def test_children_hang_on_their_parent_by_database_id(client: Client) -> None:
    parent, child = client.create_issue("Parent"), client.create_issue("Child")

    parent.add_sub_issue(child.id)

    assert [one.number for one in parent.get_sub_issues()] == [child.number]
    shown = client.get_issue(parent.number).raw_data["sub_issues_summary"]
    assert shown == {"total": 1, "completed": 0, "percent_completed": 0}
    _, found = client.requester.requestJsonAndCheck("GET", f"{child.url}/parent")
    assert found["number"] == parent.number


def test_a_number_is_no_database_id(client: Client) -> None:
    parent, child = client.create_issue("Parent"), client.create_issue("Child")

    with pytest.raises(GithubException) as refused:
        parent.add_sub_issue(child.number)

    assert refused.value.status == 404


def test_a_child_has_one_parent_unless_it_is_replaced(client: Client) -> None:
    one, other, child = (client.create_issue(name) for name in ("One", "Other", "Child"))
    one.add_sub_issue(child.id)

    with pytest.raises(GithubException) as refused:
        other.add_sub_issue(child.id)
    client.requester.requestJsonAndCheck(
        "POST",
        f"{other.url}/sub_issues",
        input={"sub_issue_id": child.id, "replace_parent": True},
    )

    assert "may only have one parent" in message_of(refused)
    assert [*one.get_sub_issues()] == []
    assert len([*other.get_sub_issues()]) == 1


@pytest.mark.matrix
def test_a_parent_has_100_children_at_most_also_closed_ones(
    client: Client, double: Double, repository: Repository
) -> None:
    parent = client.create_issue("Parent")
    for number in range(100):
        double.clock.advance(60)
        child = client.create_issue(f"Child {number}")
        parent.add_sub_issue(child.id)
        double.close(repository.issues[child.number], user=repository.owner)

    with pytest.raises(GithubException) as refused:
        parent.add_sub_issue(client.create_issue("One more").id)

    assert message_of(refused) == "Parent cannot have more than 100 sub-issues"


def test_nobody_is_its_own_ancestor(client: Client) -> None:
    parent, child = client.create_issue("Parent"), client.create_issue("Child")
    parent.add_sub_issue(child.id)

    with pytest.raises(GithubException) as refused:
        child.add_sub_issue(parent.id)

    assert "circular" in message_of(refused)


def test_dependencies_are_seen_from_both_ends_and_are_removed(client: Client) -> None:
    blocked, blocker = client.create_issue("Blocked"), client.create_issue("Blocker")

    blocked.add_blocked_by(blocker)

    assert [one.number for one in blocked.get_blocked_by()] == [blocker.number]
    assert [one.number for one in blocker.get_blocking()] == [blocked.number]
    blocked.remove_blocked_by(blocker)
    assert [*blocked.get_blocked_by()] == []


def test_dependencies_form_no_cycle(client: Client) -> None:
    one, two, three = (client.create_issue(name) for name in ("One", "Two", "Three"))
    one.add_blocked_by(two)
    two.add_blocked_by(three)

    with pytest.raises(GithubException) as refused:
        three.add_blocked_by(one)

    assert "cycle" in message_of(refused)
