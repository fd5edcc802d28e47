"""IssueClient sends the documented requests and reads their answers."""

from __future__ import annotations

import pytest
from responses.matchers import json_params_matcher, query_param_matcher

from concertmaster.github.errors import NotFound, Unsupported
from concertmaster.github.issues import IssueClient
from concertmaster.github.models import Comment, Issue, IssueDraft
from tests.unit.github.answers import (
    REPOSITORY,
    SECRET,
    Registry,
    answer_query,
    asked,
    comment_json,
    issue,
    issue_json,
    refuse,
)


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


# --- labels and reactions -------------------------------------------------------------------------


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


# --- comments -------------------------------------------------------------------------------------


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


# --- issues and workflow runs ---------------------------------------------------------------------


def test_an_issue_is_made_where_none_is_found(github: Registry, issue_client: IssueClient) -> None:
    body = {"title": "Run ***", "body": "Key ***", "labels": ["ours"]}
    github.post(f"{REPOSITORY}/issues", json=issue_json(4), match=[json_params_matcher(body)])
    draft = IssueDraft(key="", title=f"Run {SECRET}", body=f"Key {SECRET}")

    assert issue_client.create_issue(draft, ["ours"], look_up=lambda: None).number == 4
    assert issue_client.create_issue(draft, ["ours"], look_up=lambda: issue(3)).number == 3


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


def test_an_issue_is_closed_as_completed(github: Registry, issue_client: IssueClient) -> None:
    wanted = json_params_matcher({"state": "closed", "state_reason": "completed"})
    github.patch(f"{REPOSITORY}/issues/3", json=issue_json(3), match=[wanted])

    issue_client.close_issue(3)


@pytest.mark.parametrize("status", [202, 409])
def test_a_run_is_cancelled_even_when_it_has_ended(
    github: Registry, issue_client: IssueClient, status: int
) -> None:
    github.post(f"{REPOSITORY}/actions/runs/7/cancel", status=status, json=refuse("Cannot cancel"))

    issue_client.cancel_run(7)
