"""IssueBatches creates, changes, labels and links many issues in few requests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from concertmaster.errors import EnvironmentFault
from concertmaster.github.issues import IssueClient
from tests.unit.github.answers import (
    PARENT,
    QUERY,
    Clock,
    Registry,
    answer_query,
    asked,
    drafts,
    issue,
    made,
)


def test_children_are_made_in_one_request(github: Registry, issue_client: IssueClient) -> None:
    answer_query(github, {"repository": {"id": "R_1", "l0": {"id": "L_ours"}}})
    answer_query(github, {"m0": made(2), "m1": made(3)})

    found = issue_client.batches.create_children(
        drafts("a", "b"), parent=PARENT, room=100, labels=["ours"], look_up=dict
    )

    assert [(key, one.number, one.id, one.parent) for key, one in found.items()] == [
        ("a", 2, 902, 1),
        ("b", 3, 903, 1),
    ]
    looked, created = asked(github)
    assert looked["query"] == (
        "query($owner: String!, $name: String!) { repository(owner: $owner, name: $name) "
        '{ id l0: label(name: "ours") { id } } }'
    )
    fields = "issue { id fullDatabaseId number title body state }"
    assert created["query"] == (
        "mutation($i0: CreateIssueInput!, $i1: CreateIssueInput!) "
        f"{{ m0: createIssue(input: $i0) {{ {fields} }} "
        f"m1: createIssue(input: $i1) {{ {fields} }} }}"
    )
    shared = {"repositoryId": "R_1", "labelIds": ["L_ours"], "parentIssueId": "I_1"}
    assert created["variables"] == {
        "i0": {**shared, "title": "Write a", "body": "a ***"},
        "i1": {**shared, "title": "Write b", "body": "b ***"},
    }


def test_children_that_have_no_room_are_no_sub_issues(
    github: Registry, issue_client: IssueClient
) -> None:
    answer_query(github, {"repository": {"id": "R_1", "l0": {"id": "L_ours"}}})
    answer_query(github, {"m0": made(2)})
    answer_query(github, {"m0": made(3)})

    found = issue_client.batches.create_children(
        drafts("a", "b"), parent=PARENT, room=1, labels=["ours"], look_up=dict
    )

    assert [one.parent for one in found.values()] == [1, 0]
    _, below, beside = asked(github)
    assert below["variables"]["i0"]["parentIssueId"] == "I_1"
    assert "parentIssueId" not in beside["variables"]["i0"]


def test_twenty_children_go_in_one_request(github: Registry, issue_client: IssueClient) -> None:
    answer_query(github, {"repository": {"id": "R_1", "l0": {"id": "L_ours"}}})
    answer_query(github, {f"m{place}": made(place + 2) for place in range(20)})
    answer_query(github, {"m0": made(22)})
    many = drafts(*(f"t{number}" for number in range(21)))

    found = issue_client.batches.create_children(
        many, parent=PARENT, room=100, labels=["ours"], look_up=dict
    )

    assert len(found) == 21
    assert [len(one["variables"]) for one in asked(github)[1:]] == [20, 1]


def test_children_of_a_batch_that_broke_off_are_not_made_twice(
    github: Registry, issue_client: IssueClient, clock: Clock
) -> None:
    """Child a is in the answer, child b is only found by the look-up, child c was not made."""
    answer_query(github, {"repository": {"id": "R_1", "l0": {"id": "L_ours"}}})
    broke = {"message": "Something went wrong while executing your query."}
    answer_query(github, {"m0": made(2), "m1": None, "m2": None}, errors=[broke])
    answer_query(github, {"m0": made(4)})

    found = issue_client.batches.create_children(
        drafts("a", "b", "c"),
        parent=PARENT,
        room=100,
        labels=["ours"],
        look_up=lambda: {"b": issue(3), "other": issue(9)},
    )

    assert {key: one.number for key, one in found.items()} == {"a": 2, "b": 3, "c": 4}
    assert [one["title"] for one in asked(github)[2]["variables"].values()] == ["Write c"]
    assert clock.slept == [10.0]


def test_a_parent_that_is_full_gets_no_more_sub_issues(
    github: Registry, issue_client: IssueClient
) -> None:
    answer_query(github, {"repository": {"id": "R_1", "l0": {"id": "L_ours"}}})
    full = {"type": "UNPROCESSABLE", "message": "Parent cannot have more than 100 sub-issues"}
    answer_query(github, {"m0": made(2), "m1": None}, errors=[full])
    answer_query(github, {"m0": made(3)})

    found = issue_client.batches.create_children(
        drafts("a", "b"),
        parent=PARENT,
        room=2,
        labels=["ours"],
        look_up=lambda: {"a": issue(2, parent=1)},
    )

    assert {key: one.parent for key, one in found.items()} == {"a": 1, "b": 0}
    assert "parentIssueId" not in asked(github)[2]["variables"]["i0"]


def test_reopened_issues_say_what_their_drafts_say(
    github: Registry, issue_client: IssueClient
) -> None:
    answer_query(github, {"m0": {}})

    issue_client.batches.reopen({"a": issue(2)}, drafts("a"))

    (sent,) = asked(github)
    assert sent["query"] == (
        "mutation($i0: UpdateIssueInput!) { m0: updateIssue(input: $i0) { clientMutationId } }"
    )
    said = {"id": "I_2", "state": "OPEN", "title": "Write a", "body": "a ***"}
    assert sent["variables"] == {"i0": said}


def test_open_issues_are_closed_in_one_request(github: Registry, issue_client: IssueClient) -> None:
    answer_query(github, {"m0": {"clientMutationId": None}, "m1": {"clientMutationId": None}})

    issue_client.batches.close([issue(2), replace(issue(3), is_open=False), issue(4)])

    (sent,) = asked(github)
    assert sent["query"].count("closeIssue") == 2
    assert sent["variables"] == {
        "i0": {"issueId": "I_2", "stateReason": "COMPLETED"},
        "i1": {"issueId": "I_4", "stateReason": "COMPLETED"},
    }


def test_issues_that_are_closed_need_no_request(issue_client: IssueClient) -> None:
    issue_client.batches.close([replace(issue(3), is_open=False)])


def test_many_issues_are_labelled_in_one_request(
    github: Registry, issue_client: IssueClient
) -> None:
    ids = {"l0": {"id": "L_queued"}, "l1": {"id": "L_failed"}}
    answer_query(github, {"repository": ids})
    answer_query(github, {"m0": {}, "m1": {}})
    answer_query(github, {"m0": {}})

    issue_client.batches.relabel(
        [issue(2, labels=frozenset({"failed"})), issue(3)], add=["queued"], remove=["failed"]
    )

    looked, added, removed = asked(github)
    assert looked["query"] == (
        "query($owner: String!, $name: String!) { repository(owner: $owner, name: $name) "
        '{ l0: label(name: "queued") { id } l1: label(name: "failed") { id } } }'
    )
    assert looked["variables"] == {"owner": "ada", "name": "opera"}
    assert added["query"] == (
        "mutation($i0: AddLabelsToLabelableInput!, $i1: AddLabelsToLabelableInput!) "
        "{ m0: addLabelsToLabelable(input: $i0) { clientMutationId } "
        "m1: addLabelsToLabelable(input: $i1) { clientMutationId } }"
    )
    assert added["variables"] == {
        "i0": {"labelableId": "I_2", "labelIds": ["L_queued"]},
        "i1": {"labelableId": "I_3", "labelIds": ["L_queued"]},
    }
    assert "removeLabelsFromLabelable(input: $i0)" in removed["query"]
    assert removed["variables"] == {"i0": {"labelableId": "I_2", "labelIds": ["L_failed"]}}


def test_a_label_that_was_removed_meanwhile_is_told(
    github: Registry, issue_client: IssueClient
) -> None:
    answer_query(github, {"repository": {"l0": None}})

    with pytest.raises(EnvironmentFault, match="the label queued is missing"):
        issue_client.batches.relabel([issue(2)], add=["queued"])


# --- links ----------------------------------------------------------------------------------------


def blockers(**found: list[int]) -> dict[str, Any]:
    shown = {
        key: {"blockedBy": {"nodes": [{"number": number} for number in numbers]}}
        for key, numbers in found.items()
    }
    return {"repository": shown}


def test_only_links_that_are_missing_are_made(github: Registry, issue_client: IssueClient) -> None:
    answer_query(github, blockers(i3=[2], i4=[]))
    answer_query(github, {"m0": {}})

    issue_client.batches.block([(issue(3), issue(2)), (issue(4), issue(2))])

    looked, linked = asked(github)
    assert looked["query"] == (
        "query($owner: String!, $name: String!) { repository(owner: $owner, name: $name) { "
        "i3: issue(number: 3) { blockedBy(first: 100) { nodes { number } } } "
        "i4: issue(number: 4) { blockedBy(first: 100) { nodes { number } } } } }"
    )
    assert linked["query"] == (
        "mutation($i0: AddBlockedByInput!) { m0: addBlockedBy(input: $i0) { clientMutationId } }"
    )
    assert linked["variables"] == {"i0": {"issueId": "I_4", "blockingIssueId": "I_2"}}


def test_links_that_are_all_there_cost_one_look(
    github: Registry, issue_client: IssueClient
) -> None:
    answer_query(github, blockers(i3=[2]))

    issue_client.batches.block([(issue(3), issue(2))])


def test_a_link_that_somebody_made_meanwhile_is_there(
    github: Registry, issue_client: IssueClient, said: list[str]
) -> None:
    answer_query(github, blockers(i3=[]))
    exists = {"type": "UNPROCESSABLE", "message": "The dependency already exists"}
    answer_query(github, {"m0": None}, errors=[exists])
    answer_query(github, blockers(i3=[2]))

    issue_client.batches.block([(issue(3), issue(2))])

    assert not any("not linked" in one for one in said)


def test_a_link_that_is_refused_is_told(
    github: Registry, issue_client: IssueClient, said: list[str]
) -> None:
    answer_query(github, blockers(i3=[]))
    cycle = {"type": "UNPROCESSABLE", "message": "The dependency would create a cycle"}
    answer_query(github, {"m0": None}, errors=[cycle])
    answer_query(github, blockers(i3=[]))

    issue_client.batches.block([(issue(3), issue(2))])

    assert said[-1] == "not linked as blocked: #3 by #2 (The dependency would create a cycle)"


@pytest.mark.parametrize("kind", ["FORBIDDEN", "NOT_FOUND", "VALIDATION"])
def test_links_that_the_token_may_not_set_are_left_out(
    github: Registry, issue_client: IssueClient, said: list[str], kind: str
) -> None:
    answer_query(github, blockers(i3=[]))
    words = "Resource not accessible by integration"
    answer_query(github, {"m0": None}, errors=[{"type": kind, "message": words}])
    if kind == "VALIDATION":  # somebody else may have made the link
        answer_query(github, blockers(i3=[]))

    issue_client.batches.block([(issue(3), issue(2))])

    assert words in said[-1]
    assert "linked" in said[-1]


@pytest.mark.parametrize("kind", ["FORBIDDEN", "NOT_FOUND", "VALIDATION"])
def test_children_that_may_not_be_placed_below_the_parent_are_made_beside_it(
    github: Registry, issue_client: IssueClient, clock: Clock, kind: str
) -> None:
    answer_query(github, {"repository": {"id": "R_1", "l0": {"id": "L_ours"}}})
    words = "Resource not accessible by integration"
    answer_query(github, {"m0": None}, errors=[{"type": kind, "message": words}])
    answer_query(github, {"m0": made(2)})

    found = issue_client.batches.create_children(
        drafts("a"), parent=PARENT, room=100, labels=["ours"], look_up=dict
    )

    assert [(one.number, one.parent) for one in found.values()] == [(2, 0)]
    assert clock.slept == [1.0]  # the gap between writes


def test_where_github_takes_new_content_slowly_the_pace_shrinks(
    github: Registry, issue_client: IssueClient, clock: Clock, said: list[str]
) -> None:
    answer_query(github, {"repository": {"id": "R_1", "l0": {"id": "L_ours"}}})
    quick = {"type": "UNPROCESSABLE", "message": "was submitted too quickly"}
    answer_query(github, {f"m{place}": None for place in range(20)}, errors=[quick])
    answer_query(github, {f"m{place}": made(place + 2) for place in range(20)})
    answer_query(github, {f"m{place}": made(place + 22) for place in range(20)})

    issue_client.batches.create_children(
        drafts(*(f"t{number}" for number in range(40))),
        parent=PARENT,
        room=100,
        labels=["ours"],
        look_up=dict,
    )

    assert clock.slept == [60.0, 20.0, 80.0]  # 20 creations need 80 s at 15 a minute
    assert sum("15 a minute" in one for one in said) == 1


def test_no_link_is_asked_of_a_server_that_has_none(
    github: Registry, issue_client: IssueClient, said: list[str]
) -> None:
    unknown = {"message": "Field 'blockedBy' doesn't exist on type 'Issue'"}
    github.post(QUERY, json={"errors": [unknown]})

    issue_client.batches.block([(issue(3), issue(2))])

    assert said == [f"issues are not linked: {unknown['message']}"]
