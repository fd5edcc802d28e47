"""Each call of the forge: the request that is sent, and what becomes of GitHub's refusals."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import requests
import responses
from responses.matchers import json_params_matcher, query_param_matcher

from concertmaster.errors import EnvironmentFault
from concertmaster.github.errors import GivenUp, Invalid, NotAllowed, NotFound, Unsupported
from concertmaster.github.issues import IssueClient
from concertmaster.github.models import Comment, Issue, IssueDraft
from concertmaster.github.rulesets import BranchRule
from concertmaster.github.workflows import NotDispatchable

API = "https://api.github.com:443"
QUERY = f"{API}/graphql"
REPOSITORY = f"{API}/repos/ada/opera"
SECRET = "hunter2-hunter2"
NOW = 1_700_000_000.0
PARENT = Issue(number=1, id=901, node_id="I_1", title="Fruit", body="", author="ada", is_open=True)
Registry = responses.RequestsMock


@dataclass
class Clock:
    """Time passes only where somebody sleeps."""

    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return NOW + sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def github() -> Iterator[Registry]:
    """Every answer that is prepared must be asked for, and no other."""
    with responses.RequestsMock() as registry:
        yield registry


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def issue_client(clock: Clock, said: list[str]) -> IssueClient:
    return IssueClient(
        url="https://api.github.com",
        repository="ada/opera",
        token="ghs_token",
        clock=clock,
        told=said.append,
        redact=lambda text: text.replace(SECRET, "***"),
    )


def issue_json(number: int, **more: Any) -> dict[str, Any]:
    return {
        "number": number,
        "id": 900 + number,
        "node_id": f"I_{number}",
        "title": f"Issue {number}",
        "body": "Text",
        "state": "open",
        "user": {"login": "bot"},
        "labels": [{"name": "concertmaster"}],
        "created_at": "2026-01-01T00:00:00Z",
        **more,
    }


def issue(number: int, **more: Any) -> Issue:
    return Issue(
        number=number,
        id=900 + number,
        node_id=f"I_{number}",
        title=f"Issue {number}",
        body="Text",
        author="bot",
        is_open=True,
        **more,
    )


def comment_json(number: int, body: str) -> dict[str, Any]:
    page = f"https://page/{number}"
    return {"id": number, "body": body, "user": {"login": "bot"}, "html_url": page}


def refuse(message: str, **more: Any) -> dict[str, Any]:
    return {"message": message, "documentation_url": "https://docs.github.com/rest", **more}


def asked(github: Registry) -> list[dict[str, Any]]:
    """The bodies that were sent to GraphQL."""
    sent = (call.request for call in github.calls if call.request.url == QUERY)
    return [json.loads(request.body or "") for request in sent]


def answer_query(github: Registry, data: Any, **more: Any) -> None:
    github.post(QUERY, json={"data": data, **more})


# --- reading ------------------------------------------------------------------------------------


def test_every_request_bears_the_token_and_the_version_of_the_api(
    github: Registry, issue_client: IssueClient
) -> None:
    github.get(f"{REPOSITORY}/issues/1", json=issue_json(1))

    issue_client.issue(1)

    headers = github.calls[0].request.headers
    assert headers["Authorization"] == "token ghs_token"
    assert headers["X-GitHub-Api-Version"] == "2022-11-28"


def test_viewer_asks_who_the_token_is(github: Registry, issue_client: IssueClient) -> None:
    answer_query(github, {"viewer": {"login": "github-actions[bot]"}})

    assert issue_client.viewer() == "github-actions[bot]"
    assert asked(github) == [{"query": "query { viewer { login } }", "variables": {}}]


def test_permission_is_that_of_the_login(github: Registry, issue_client: IssueClient) -> None:
    url = f"{REPOSITORY}/collaborators/dependabot%5Bbot%5D/permission"
    github.get(url, json={"permission": "write", "role_name": "maintain"})

    assert issue_client.permission("dependabot[bot]") == "write"


def test_an_unknown_login_has_no_permission(github: Registry, issue_client: IssueClient) -> None:
    github.get(f"{REPOSITORY}/collaborators/eve/permission", status=404, json=refuse("Not Found"))

    assert issue_client.permission("eve") == "none"


def test_issue_reads_one(github: Registry, issue_client: IssueClient) -> None:
    parent = f"{REPOSITORY}/issues/1"
    github.get(f"{REPOSITORY}/issues/2", json=issue_json(2, parent_issue_url=parent))

    labels = frozenset({"concertmaster"})
    assert issue_client.issue(2) == issue(
        2, parent=1, labels=labels, created_at="2026-01-01T00:00:00Z"
    )


def test_an_issue_without_text_author_or_labels_is_read_all_the_same(
    github: Registry, issue_client: IssueClient
) -> None:
    bare = {"number": 2, "id": 902, "body": None, "user": None, "state": "closed"}
    github.get(f"{REPOSITORY}/issues/2", json=bare)

    assert issue_client.issue(2) == Issue(
        number=2, id=902, node_id="", title="", body="", author="", is_open=False
    )


@pytest.mark.parametrize(
    ("state", "merged_at", "expected"),
    [
        ("open", None, (True, False)),
        ("closed", None, (False, False)),
        ("closed", "2026-01-02T00:00:00Z", (False, True)),
    ],
)
def test_whether_a_pull_request_is_merged_can_be_read_as_of_an_issue(
    github: Registry,
    issue_client: IssueClient,
    state: str,
    merged_at: str | None,
    expected: tuple[bool, bool],
) -> None:
    pull = {"url": "api", "merged_at": merged_at}
    github.get(f"{REPOSITORY}/issues/2", json=issue_json(2, state=state, pull_request=pull))

    found = issue_client.issue(2)

    assert (found.is_pull, found.is_open, found.is_merged) == (True, *expected)


def test_comments_are_read_to_the_last_page(github: Registry, issue_client: IssueClient) -> None:
    url = f"{REPOSITORY}/issues/1/comments"
    full = [comment_json(number, "x") for number in range(100)]
    for page, found in (("1", full), ("2", [comment_json(100, "last")])):
        pages = query_param_matcher({"per_page": "100", "page": page})
        github.get(url, json=found, match=[pages])

    comments = issue_client.comments(1)

    assert len(comments) == 101
    assert comments[-1] == Comment(id=100, body="last", author="bot", url="https://page/100")


def test_sub_issues_know_their_parent(github: Registry, issue_client: IssueClient) -> None:
    github.get(f"{REPOSITORY}/issues/1/sub_issues", json=[issue_json(2)])

    assert [one.parent for one in issue_client.sub_issues(1)] == [1]


def test_a_server_that_twice_knows_no_sub_issues_of_an_issue_has_none(
    github: Registry, issue_client: IssueClient
) -> None:
    url = f"{REPOSITORY}/issues/1/sub_issues"
    looks = github.get(url, status=404, json=refuse("Not Found"))
    github.get(f"{REPOSITORY}/issues/1", json=issue_json(1))

    with pytest.raises(Unsupported):
        issue_client.sub_issues(1)

    assert looks.call_count == 2


def test_sub_issues_of_an_issue_that_is_missing_are_not_found(
    github: Registry, issue_client: IssueClient
) -> None:
    for path in ("/issues/1/sub_issues", "/issues/1"):
        github.get(f"{REPOSITORY}{path}", status=404, json=refuse("Not Found"))

    with pytest.raises(NotFound):
        issue_client.sub_issues(1)


def test_labelled_asks_for_closed_issues_too_and_leaves_pull_requests_out(
    github: Registry, issue_client: IssueClient
) -> None:
    wanted = {"labels": "ours", "state": "all", "since": "2026-01-01T00:00:00Z"}
    pages = query_param_matcher({**wanted, "per_page": "100", "page": "1"})
    found = [issue_json(2), issue_json(3, pull_request={})]
    github.get(f"{REPOSITORY}/issues", json=found, match=[pages])

    assert [one.number for one in issue_client.labelled("ours", since="2026-01-01T00:00:00Z")] == [
        2
    ]


def test_jobs_of_a_run_are_read_to_the_last_page(
    github: Registry, issue_client: IssueClient
) -> None:
    job = {"name": "work", "status": "in_progress", "conclusion": None, "started_at": "now"}
    for number, found in (("1", [job] * 100), ("2", [job])):
        pages = query_param_matcher({"per_page": "100", "page": number})
        github.get(
            f"{REPOSITORY}/actions/runs/7/jobs",
            json={"total_count": 101, "jobs": found},
            match=[pages],
        )

    jobs = issue_client.jobs(7)

    assert len(jobs) == 101
    assert (jobs[0].name, jobs[0].status, jobs[0].conclusion) == ("work", "in_progress", "")


# --- labels and reactions -----------------------------------------------------------------------


def test_only_labels_that_are_missing_are_made(github: Registry, issue_client: IssueClient) -> None:
    github.get(f"{REPOSITORY}/labels", json=[{"name": "Here"}])
    wanted = {"name": "ours:queued", "color": "c2e0c6", "description": "Waits"}
    made = github.post(f"{REPOSITORY}/labels", json=wanted, match=[json_params_matcher(wanted)])

    issue_client.ensure_labels({"here": ("ffffff", ""), "ours:queued": ("c2e0c6", "Waits")})

    assert made.call_count == 1


def test_a_label_that_somebody_made_meanwhile_is_there(
    github: Registry, issue_client: IssueClient
) -> None:
    github.get(f"{REPOSITORY}/labels", json=[])
    exists = {"resource": "Label", "code": "already_exists", "field": "name"}
    github.post(
        f"{REPOSITORY}/labels", status=422, json=refuse("Validation Failed", errors=[exists])
    )
    looked = github.get(f"{REPOSITORY}/labels/ours%3Aqueued", json={"name": "ours:queued"})

    issue_client.ensure_labels({"ours:queued": ("c2e0c6", "Waits")})

    assert looked.call_count == 1


def test_labels_are_added_in_one_request_and_removed_one_by_one(
    github: Registry, issue_client: IssueClient
) -> None:
    add = json_params_matcher({"labels": ["landed", "ours"]})
    github.post(f"{REPOSITORY}/issues/2/labels", json=[], match=[add])
    github.delete(f"{REPOSITORY}/issues/2/labels/ours%3Aqueued", json=[])
    gone = f"{REPOSITORY}/issues/2/labels/failed"
    github.delete(gone, status=404, json=refuse("Label does not exist"))

    issue_client.set_labels(2, add=["landed", "ours"], remove=["ours:queued", "failed"])


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


def test_a_reaction_is_eyes(github: Registry, issue_client: IssueClient) -> None:
    eyes = json_params_matcher({"content": "eyes"})
    github.post(f"{REPOSITORY}/issues/comments/77/reactions", json={}, match=[eyes])

    issue_client.react(77)


def test_a_comment_that_is_gone_needs_no_reaction(
    github: Registry, issue_client: IssueClient
) -> None:
    url = f"{REPOSITORY}/issues/comments/77/reactions"
    github.post(url, status=404, json=refuse("Not Found"))

    issue_client.react(77)


# --- comments -----------------------------------------------------------------------------------


def is_plan(comment: Comment) -> bool:
    return comment.body.startswith("plan")


def test_a_comment_is_made_once_and_without_secrets(
    github: Registry, issue_client: IssueClient
) -> None:
    url = f"{REPOSITORY}/issues/1/comments"
    github.get(url, json=[comment_json(5, "hello")])
    body = json_params_matcher({"body": "plan of ***"})
    github.post(url, json=comment_json(6, "plan of ***"), match=[body])
    github.get(url, json=[comment_json(5, "hello"), comment_json(6, "plan of ***")])

    found = issue_client.put_comment(1, f"plan of {SECRET}", is_ours=is_plan)

    assert found == Comment(id=6, body="plan of ***", author="bot", url="https://page/6")


def test_a_comment_that_says_something_else_is_changed(
    github: Registry, issue_client: IssueClient
) -> None:
    github.get(f"{REPOSITORY}/issues/1/comments", json=[comment_json(6, "plan A")])
    body = json_params_matcher({"body": "plan B"})
    github.patch(f"{REPOSITORY}/issues/comments/6", json={}, match=[body])

    assert issue_client.put_comment(1, "plan B", is_ours=is_plan).body == "plan B"


def test_a_comment_that_says_the_same_is_left(github: Registry, issue_client: IssueClient) -> None:
    github.get(f"{REPOSITORY}/issues/1/comments", json=[comment_json(6, "plan A")])

    assert issue_client.put_comment(1, "plan A", is_ours=is_plan).id == 6


def test_of_two_comments_of_ours_the_older_stays(
    github: Registry, issue_client: IssueClient
) -> None:
    found = [comment_json(9, "plan A"), comment_json(6, "plan A"), comment_json(7, "hello")]
    github.get(f"{REPOSITORY}/issues/1/comments", json=found)
    github.delete(f"{REPOSITORY}/issues/comments/9", status=204)

    assert issue_client.put_comment(1, "plan A", is_ours=is_plan).id == 6


# --- issues -------------------------------------------------------------------------------------


def test_an_issue_is_made_where_none_is_found(github: Registry, issue_client: IssueClient) -> None:
    body = {"title": "Run ***", "body": "Key ***", "labels": ["ours"]}
    github.post(f"{REPOSITORY}/issues", json=issue_json(4), match=[json_params_matcher(body)])
    draft = IssueDraft(key="", title=f"Run {SECRET}", body=f"Key {SECRET}")

    assert issue_client.create_issue(draft, ["ours"], look_up=lambda: None).number == 4
    assert issue_client.create_issue(draft, ["ours"], look_up=lambda: issue(3)).number == 3


def made(number: int) -> dict[str, Any]:
    found = {"id": f"I_{number}", "fullDatabaseId": str(900 + number), "number": number}
    return {"issue": {**found, "title": f"Issue {number}", "body": "Text", "state": "OPEN"}}


def drafts(*keys: str) -> list[IssueDraft]:
    return [IssueDraft(key=key, title=f"Write {key}", body=f"{key} {SECRET}") for key in keys]


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
    """One is in the answer, one is only found when we look, one was not made."""
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


def test_a_retired_issue_is_closed_as_a_duplicate(
    github: Registry, issue_client: IssueClient
) -> None:
    closed = {"state": "closed", "state_reason": "duplicate"}
    body = {"body": "of #2", "labels": [], **closed}
    github.patch(f"{REPOSITORY}/issues/3", json={}, match=[json_params_matcher(body)])

    issue_client.retire(issue(3), body="of #2")


def test_a_released_issue_is_named_by_its_id(github: Registry, issue_client: IssueClient) -> None:
    child = json_params_matcher({"sub_issue_id": 903})
    github.delete(f"{REPOSITORY}/issues/1/sub_issue", json={}, match=[child])

    issue_client.release(issue(3, parent=1))
    issue_client.release(issue(4))


# --- links and runs -----------------------------------------------------------------------------


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


def test_no_link_is_asked_of_a_server_that_has_none(
    github: Registry, issue_client: IssueClient, said: list[str]
) -> None:
    unknown = {"message": "Field 'blockedBy' doesn't exist on type 'Issue'"}
    github.post(QUERY, json={"errors": [unknown]})

    issue_client.batches.block([(issue(3), issue(2))])

    assert said == [f"issues are not linked: {unknown['message']}"]


@pytest.mark.parametrize("status", [202, 409])
def test_a_run_is_cancelled_even_when_it_has_ended(
    github: Registry, issue_client: IssueClient, status: int
) -> None:
    github.post(f"{REPOSITORY}/actions/runs/7/cancel", status=status, json=refuse("Cannot cancel"))

    issue_client.cancel_run(7)


# --- closing ------------------------------------------------------------------------------------


def test_an_issue_is_closed_as_completed(github: Registry, issue_client: IssueClient) -> None:
    wanted = json_params_matcher({"state": "closed", "state_reason": "completed"})
    github.patch(f"{REPOSITORY}/issues/3", json=issue_json(3), match=[wanted])

    issue_client.close_issue(3)


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


# --- rules of a branch --------------------------------------------------------------------------


def answer_rules(github: Registry, *rules: dict[str, Any]) -> None:
    github.get(f"{REPOSITORY}/rules/branches/release%2F1", json=list(rules))


def test_the_rules_of_a_branch_are_read(github: Registry, issue_client: IssueClient) -> None:
    reviews = {"required_approving_review_count": 1}
    rule = {"type": "pull_request", "parameters": reviews, "ruleset_id": 5}
    answer_rules(github, rule, {"type": "deletion"})

    assert issue_client.rules("release/1") == (
        BranchRule(type="pull_request", parameters=reviews),
        BranchRule(type="deletion"),
    )


def test_a_server_without_rules_has_none(github: Registry, issue_client: IssueClient) -> None:
    url = f"{REPOSITORY}/rules/branches/main"
    github.get(url, status=404, json=refuse("Not Found"))

    assert issue_client.forbids_push("main") == ""


CHECKS = {"required_status_checks": [{"context": "ci"}]}


@pytest.mark.parametrize(
    ("kind", "parameters", "reason"),
    [
        ("pull_request", {}, "pull request"),
        ("merge_queue", {}, "merge queue"),
        ("update", {}, "nobody may push"),
        ("required_status_checks", CHECKS, "status checks"),
        ("required_signatures", {}, "signed"),
        ("required_linear_history", {}, "merge commits"),
        ("required_deployments", {}, "deployed"),
        ("workflows", {}, "workflows"),
        ("code_scanning", {}, "code scanning"),
    ],
)
def test_a_rule_that_a_push_would_break_forbids_it(
    github: Registry, issue_client: IssueClient, kind: str, parameters: dict[str, Any], reason: str
) -> None:
    answer_rules(github, {"type": "deletion"}, {"type": kind, "parameters": parameters})

    assert reason in issue_client.forbids_push("release/1")


@pytest.mark.parametrize(
    "rule",
    [
        {"type": "non_fast_forward"},
        {"type": "deletion"},
        {"type": "creation"},
        {"type": "required_status_checks", "parameters": {"required_status_checks": []}},
        {"type": "max_file_size", "parameters": {"max_file_size": 5}},
        {"type": "of a later time", "parameters": None},
    ],
)
def test_any_other_rule_leaves_it_to_the_push(
    github: Registry, issue_client: IssueClient, rule: dict[str, Any]
) -> None:
    answer_rules(github, rule)

    assert issue_client.forbids_push("release/1") == ""


# --- starting a workflow ------------------------------------------------------------------------

WORKFLOW = f"{REPOSITORY}/actions/workflows/orchestrate.yml"
INPUTS = {"run": "x", "round": "2"}


def answer_runs(github: Registry, *numbers: int) -> None:
    wanted = query_param_matcher({"event": "workflow_dispatch", "per_page": "1"})
    found = {"total_count": len(numbers), "workflow_runs": [{"id": number} for number in numbers]}
    github.get(f"{WORKFLOW}/runs", json=found, match=[wanted])


def dispatch(issue_client: IssueClient, workflow: str = "orchestrate.yml") -> None:
    issue_client.workflows.dispatch(workflow, ref="main", inputs=INPUTS)


@pytest.mark.parametrize(
    "workflow",
    [
        "orchestrate.yml",
        ".github/workflows/orchestrate.yml",
        "ada/opera/.github/workflows/orchestrate.yml@refs/heads/main",
    ],
)
def test_a_workflow_is_started_by_the_name_of_its_file(
    github: Registry, issue_client: IssueClient, workflow: str
) -> None:
    wanted = json_params_matcher({"ref": "main", "inputs": INPUTS})
    answer_runs(github, 7)
    github.post(f"{WORKFLOW}/dispatches", status=204, match=[wanted])

    dispatch(issue_client, workflow)


def test_a_start_whose_answer_was_lost_is_not_made_again_when_a_new_run_is_there(
    github: Registry, issue_client: IssueClient, clock: Clock
) -> None:
    answer_runs(github)
    starts = github.post(f"{WORKFLOW}/dispatches", body=requests.ConnectionError("reset"))
    answer_runs(github, 8)

    dispatch(issue_client)

    assert starts.call_count == 1
    assert clock.slept == [10]  # a list may be behind by seconds


def test_a_start_that_left_no_run_is_made_again(
    github: Registry, issue_client: IssueClient
) -> None:
    answer_runs(github, 7)
    starts = [github.post(f"{WORKFLOW}/dispatches", status=502, json=refuse("Server Error"))]
    answer_runs(github, 7)
    starts.append(github.post(f"{WORKFLOW}/dispatches", status=204))

    dispatch(issue_client)

    assert [one.call_count for one in starts] == [1, 1]


@pytest.mark.parametrize(
    "words",
    [
        'Unexpected inputs provided: ["round"]',
        "Workflow does not have 'workflow_dispatch' trigger",
        "Required input 'prompts' not provided",
    ],
)
def test_a_workflow_that_takes_no_such_dispatch_is_told(
    github: Registry, issue_client: IssueClient, words: str
) -> None:
    answer_runs(github, 7)
    github.post(f"{WORKFLOW}/dispatches", status=422, json=refuse(words))

    with pytest.raises(NotDispatchable) as error:
        dispatch(issue_client)

    assert error.value.why == words
    assert "workflow_dispatch" in error.value.next_step


def test_so_is_a_workflow_file_that_is_not_there(
    github: Registry, issue_client: IssueClient
) -> None:
    github.get(f"{WORKFLOW}/runs", status=404, json=refuse("Not Found"))

    with pytest.raises(NotDispatchable, match="orchestrate"):
        dispatch(issue_client)


# --- refusals -----------------------------------------------------------------------------------

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
        ({"status": 403, "json": refuse("?"), "headers": {"Retry-After": "99999"}}, 3660),
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

    assert error.value.why == words
    assert clock.slept == [60, 120, 240, 480, 960, 1920]


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
