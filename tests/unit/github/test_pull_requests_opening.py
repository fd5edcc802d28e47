"""Pull requests are found, opened, changed and reviewed."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from responses.matchers import json_params_matcher, query_param_matcher

from concertmaster.github.errors import Invalid, NotAllowed
from concertmaster.github.issues import IssueClient
from concertmaster.github.models import Comment, Pull
from tests.unit.github.answers import SECRET, Registry, refuse
from tests.unit.github.pull_answers import (
    BRANCH,
    FORK,
    HEAD,
    HERE,
    PULLS,
    TIP,
    make_pull,
    pull_json,
)


def on_branch(branch: str, number: int, **more: Any) -> dict[str, Any]:
    return pull_json(number, head={"ref": branch, "sha": HEAD, "repo": HERE}, **more)


def custom_error(message: str) -> dict[str, Any]:
    error = {"resource": "PullRequest", "code": "custom", "message": message}
    return refuse("Validation Failed", errors=[error])


def page(number: int, **more: str) -> Any:
    return query_param_matcher({"per_page": "100", "page": str(number), **more})


def newest_first(number: int) -> Any:
    return page(number, state="all", sort="created", direction="desc")


# --- reading --------------------------------------------------------------------------------------


def test_an_open_pull_request_has_no_merge_commit_yet(
    github: Registry, issue_client: IssueClient
) -> None:
    github.get(f"{PULLS}/7", json=pull_json())

    assert issue_client.pulls.get(7) == make_pull()


def test_a_merged_pull_request_tells_the_commit(
    github: Registry, issue_client: IssueClient
) -> None:
    merged = pull_json(state="closed", merged_at="2026-01-03T00:00:00Z", merge_commit_sha=TIP)
    github.get(f"{PULLS}/7", json=merged)

    assert issue_client.pulls.get(7) == make_pull(is_open=False, is_merged=True, merge_commit=TIP)


@pytest.mark.parametrize(("home", "base"), [(FORK, HERE), (None, HERE), (None, None)])
def test_a_branch_of_a_fork_is_none_of_ours(
    github: Registry,
    issue_client: IssueClient,
    home: dict[str, Any] | None,
    base: dict[str, Any] | None,
) -> None:
    sides = {"head": home, "base": base}
    shown: dict[str, Any] = {
        side: {"ref": BRANCH, "sha": HEAD, "repo": repo} for side, repo in sides.items()
    }
    github.get(f"{PULLS}/7", json=pull_json(**shown))

    assert issue_client.pulls.get(7).head == ""


def test_a_pull_request_without_text_or_author_is_read_all_the_same(
    github: Registry, issue_client: IssueClient
) -> None:
    bare = {"number": 7, "title": None, "body": None, "user": None, "head": None, "base": None}
    github.get(f"{PULLS}/7", json=bare)

    found = issue_client.pulls.get(7)

    assert (found.title, found.author, found.head) == ("", "", "")


def test_the_newest_pull_request_of_each_branch_is_found(
    github: Registry, issue_client: IssueClient
) -> None:
    listed = [on_branch("one", 9), on_branch("two", 8), on_branch("one", 7)]
    github.get(PULLS, json=listed, match=[newest_first(1)])

    found = issue_client.pulls.find(["one", "two", "three"])

    assert {branch: pull.number for branch, pull in found.items()} == {"one": 9, "two": 8}


def test_no_further_page_is_read_than_needed(github: Registry, issue_client: IssueClient) -> None:
    pages = [[on_branch("other", number) for number in range(100)], [on_branch("one", 200)] * 100]
    for number, listed in enumerate(pages, start=1):
        github.get(PULLS, json=listed, match=[newest_first(number)])

    assert issue_client.pulls.find({"one"})["one"].number == 200


def test_pull_requests_older_than_the_run_are_not_read(
    github: Registry, issue_client: IssueClient
) -> None:
    old = [on_branch("one", 7, created_at="2026-01-01T00:00:00Z")] * 100
    github.get(PULLS, json=old, match=[newest_first(1)])

    assert issue_client.pulls.find({"one"}, since="2026-01-01T00:00:01Z") == {}


def test_only_pull_requests_of_ours_are_found(github: Registry, issue_client: IssueClient) -> None:
    listed = [on_branch("one", 9, user={"login": "eve"}), on_branch("one", 8)]
    github.get(PULLS, json=listed)

    found = issue_client.pulls.find({"one"}, is_ours=lambda pull: pull.author == "bot")

    assert found["one"].number == 8


def test_nothing_is_asked_for_no_branches(issue_client: IssueClient) -> None:
    assert issue_client.pulls.find([]) == {}


# --- opening and changing -------------------------------------------------------------------------


def open_pull(issue_client: IssueClient) -> Pull:
    return issue_client.pulls.open(branch=BRANCH, base="main", title=f"Fruit {SECRET}", body=SECRET)


def test_a_pull_request_is_opened_in_one_call_and_without_secrets(
    github: Registry, issue_client: IssueClient
) -> None:
    wanted = {"title": "Fruit ***", "body": "***", "head": BRANCH, "base": "main"}
    github.post(PULLS, status=201, json=pull_json(), match=[json_params_matcher(wanted)])

    assert open_pull(issue_client) == make_pull()


@pytest.mark.parametrize(
    "answer",
    [
        {
            "status": 422,
            "json": custom_error(f"A pull request already exists for ada:{BRANCH}."),
        },
        {"status": 502, "json": refuse("Server Error")},
        {"body": requests.ConnectionError("reset")},
    ],
    ids=["already there", "bad gateway", "lost answer"],
)
def test_one_that_is_open_already_is_taken(
    github: Registry, issue_client: IssueClient, answer: dict[str, Any]
) -> None:
    github.post(PULLS, **answer)
    look = page(1, state="open", head=f"ada:{BRANCH}", base="main")
    github.get(PULLS, json=[pull_json()], match=[look])

    assert open_pull(issue_client) == make_pull()


def test_one_of_another_branch_is_not_taken(github: Registry, issue_client: IssueClient) -> None:
    github.post(PULLS, status=422, json=refuse("Validation Failed"))
    github.get(PULLS, json=[on_branch("other", 8)])  # GitHub ignores a filter that it cannot read

    with pytest.raises(Invalid):
        open_pull(issue_client)


def test_a_branch_with_nothing_new_gets_no_pull_request(
    github: Registry, issue_client: IssueClient
) -> None:
    words = f"No commits between main and {BRANCH}"
    github.post(PULLS, status=422, json=custom_error(words))
    github.get(PULLS, json=[])

    with pytest.raises(Invalid) as told:
        open_pull(issue_client)

    assert words in told.value.why


def test_where_no_workflow_may_open_one_the_setting_is_named(
    github: Registry, issue_client: IssueClient
) -> None:
    words = "GitHub Actions is not permitted to create or approve pull requests."
    github.post(PULLS, status=403, json=refuse(words))

    with pytest.raises(NotAllowed) as told:
        open_pull(issue_client)

    assert told.value.why == words
    assert "Allow GitHub Actions to create and approve pull requests" in told.value.next_step


def test_a_missing_permission_is_named(github: Registry, issue_client: IssueClient) -> None:
    github.post(PULLS, status=403, json=refuse("Resource not accessible by integration"))

    with pytest.raises(NotAllowed, match="pull-requests: write"):
        open_pull(issue_client)


def test_only_what_is_to_change_is_sent(github: Registry, issue_client: IssueClient) -> None:
    wanted = json_params_matcher({"body": "Text of ***"})
    github.patch(f"{PULLS}/7", json=pull_json(body="Text of ***"), match=[wanted])

    changed = issue_client.pulls.change(make_pull(), body=f"Text of {SECRET}")

    assert changed == make_pull(body="Text of ***")


def test_a_pull_request_that_says_it_already_is_left(issue_client: IssueClient) -> None:
    assert issue_client.pulls.change(make_pull(), title="Fruit", body="Text") == make_pull()


# --- reviews --------------------------------------------------------------------------------------


def is_marked(comment: Comment) -> bool:
    return "<!-- mark -->" in comment.body


def test_a_review_comments_and_decides_nothing(github: Registry, issue_client: IssueClient) -> None:
    made = {"id": 5, "body": "*** <!-- mark -->", "user": {"login": "bot"}, "html_url": "url"}
    wanted = {"body": "*** <!-- mark -->", "event": "COMMENT"}
    github.get(f"{PULLS}/7/reviews", json=[])
    github.post(f"{PULLS}/7/reviews", json=made, match=[json_params_matcher(wanted)])

    found = issue_client.pulls.review(7, f"{SECRET} <!-- mark -->", is_ours=is_marked)

    assert found == Comment(id=5, body="*** <!-- mark -->", author="bot", url="url")


def test_a_review_that_is_there_is_not_made_again(
    github: Registry, issue_client: IssueClient
) -> None:
    there = {"id": 5, "body": "<!-- mark -->", "user": {"login": "bot"}}
    github.get(f"{PULLS}/7/reviews", json=[{"id": 4, "body": "", "user": None}, there])

    assert issue_client.pulls.review(7, "<!-- mark -->", is_ours=is_marked).id == 5
