"""A request to merge names the checked head, and GitHub's answer becomes a MergeResult."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from responses.matchers import json_params_matcher

from concertmaster.github.errors import NotAllowed, NotFound
from concertmaster.github.issues import IssueClient
from concertmaster.github.models import MergeResult, MergeState
from concertmaster.github.pull_requests import MERGE_LOOKS, SECONDS_BETWEEN_LOOKS
from tests.unit.github.answers import QUERY, Clock, Registry, refuse
from tests.unit.github.pull_answers import (
    BRANCH,
    HEAD,
    HERE,
    OTHER,
    PULLS,
    TIP,
    make_pull,
    pull_json,
)

MERGE, LATER = f"{PULLS}/7/merge", f"{PULLS}/7/merge-async"
NOT_FOUND = {"message": "Not Found"}


def merge(issue_client: IssueClient) -> MergeResult:
    return issue_client.pulls.merge(make_pull(), commit=HEAD)


def pending(**more: str) -> dict[str, Any]:
    details = {
        "message": "Merge request is pending.",
        "uuid": "u-1",
        "merge_method": "merge",
        "merge_action": "default",
        "expected_head_sha": HEAD,
        **more,
    }
    return {"status": "pending", "details": details}


def ended(status: str, message: str = "Words", **more: str) -> dict[str, Any]:
    return {"status": status, "details": {"message": message, **more}}


def merged_json(**more: Any) -> dict[str, Any]:
    then = "2026-01-03T00:00:00Z"
    return pull_json(state="closed", merged_at=then, merge_commit_sha=TIP, **more)


def moved_head() -> dict[str, Any]:
    return {"ref": BRANCH, "sha": OTHER, "repo": HERE}


def test_a_merge_names_the_head_that_was_checked(
    github: Registry, issue_client: IssueClient, clock: Clock
) -> None:
    wanted = {"sha": HEAD, "merge_method": "merge"}
    github.put(LATER, status=202, json=pending(), match=[json_params_matcher(wanted)])
    for found in (pending(), ended("merged", sha=TIP)):
        github.get(f"{LATER}/u-1", json=found)
    github.get(f"{PULLS}/7", json=merged_json())

    done = merge(issue_client)

    assert done == MergeResult(state=MergeState.MERGED)
    assert clock.slept == [SECONDS_BETWEEN_LOOKS] * 2


def test_what_github_said_counts_where_it_does_not_show_it_yet(
    github: Registry, issue_client: IssueClient
) -> None:
    github.put(LATER, json=ended("merged", sha=TIP))
    github.get(f"{PULLS}/7", json=pull_json())

    assert merge(issue_client) == MergeResult(state=MergeState.MERGED)


def test_another_request_that_is_on_its_way_is_followed(
    github: Registry, issue_client: IssueClient
) -> None:
    github.put(LATER, status=409, json=pending(uuid="u-2"))
    github.get(f"{LATER}/u-2", json=ended("merged", sha=TIP))
    github.get(f"{PULLS}/7", json=merged_json())

    assert merge(issue_client).state is MergeState.MERGED


def test_a_merge_of_another_head_is_none_of_ours(
    github: Registry, issue_client: IssueClient
) -> None:
    github.put(LATER, status=409, json=pending(expected_head_sha=OTHER))
    github.get(f"{LATER}/u-1", json=ended("merged", sha=TIP))
    github.get(f"{PULLS}/7", json=merged_json(head=moved_head()))

    assert merge(issue_client) == MergeResult(state=MergeState.MOVED, reason="Words")


def test_a_merge_that_takes_long_is_pending(
    github: Registry, issue_client: IssueClient, clock: Clock
) -> None:
    github.put(LATER, status=202, json=pending())
    looks = github.get(f"{LATER}/u-1", json=pending())

    assert merge(issue_client) == MergeResult(
        state=MergeState.PENDING, reason="Merge request is pending."
    )
    assert looks.call_count == MERGE_LOOKS
    assert sum(clock.slept) == MERGE_LOOKS * SECONDS_BETWEEN_LOOKS


def test_a_merge_may_end_in_the_queue(github: Registry, issue_client: IssueClient) -> None:
    github.put(LATER, status=202, json=pending())
    github.get(f"{LATER}/u-1", json=ended("enqueued"))

    assert merge(issue_client) == MergeResult(state=MergeState.QUEUED, reason="Words")


def test_a_merge_that_failed_is_refused_in_githubs_words(
    github: Registry, issue_client: IssueClient
) -> None:
    github.put(LATER, status=202, json=pending())
    github.get(f"{LATER}/u-1", json=ended("failed", 'Required status check "ci" is expected.'))
    github.get(f"{PULLS}/7", json=pull_json())

    refused = merge(issue_client)

    words = 'Required status check "ci" is expected.'
    assert refused == MergeResult(state=MergeState.REFUSED, reason=words)


def test_what_is_refused_at_once_is_a_value_too(
    github: Registry, issue_client: IssueClient
) -> None:
    github.put(LATER, status=400, json=ended("failed", "Head branch was modified."))
    github.get(f"{PULLS}/7", json=pull_json(head=moved_head()))

    assert merge(issue_client) == MergeResult(
        state=MergeState.MOVED, reason="Head branch was modified."
    )


def test_a_refused_merge_that_github_will_do_by_itself_is_pending(
    github: Registry, issue_client: IssueClient
) -> None:
    github.put(LATER, status=400, json=ended("failed"))
    github.get(f"{PULLS}/7", json=pull_json(auto_merge={"merge_method": "merge"}))

    assert merge(issue_client).state is MergeState.PENDING


@pytest.mark.parametrize(
    ("status", "answer", "reason"),
    [
        (400, refuse("Problems parsing JSON"), "Problems parsing JSON"),
        (422, refuse("Validation Failed"), "Validation Failed"),
        (
            403,
            refuse("Resource not accessible by integration"),
            "Resource not accessible by integration (add the line `contents: write`",
        ),
        (
            403,
            refuse("refusing to allow a GitHub App to create or update workflow `a.yml`"),
            "workflow `a.yml` (give the job the token of an App",
        ),
    ],
)
def test_other_refusals_are_values_with_githubs_words(
    github: Registry, issue_client: IssueClient, status: int, answer: dict[str, Any], reason: str
) -> None:
    github.put(LATER, status=status, json=answer)
    github.get(f"{PULLS}/7", json=pull_json())

    refused = merge(issue_client)

    assert refused.state is MergeState.REFUSED
    assert reason in refused.reason


def test_a_request_that_may_not_be_followed_is_told(
    github: Registry, issue_client: IssueClient
) -> None:
    github.put(LATER, status=202, json=pending())
    words = "Resource not accessible by integration"
    github.get(f"{LATER}/u-1", status=403, json=refuse(words))

    with pytest.raises(NotAllowed, match="pull-requests: read"):
        merge(issue_client)


def test_a_request_that_is_forgotten_is_looked_for_in_the_pull_request(
    github: Registry, issue_client: IssueClient
) -> None:
    github.put(LATER, status=202, json=pending())
    github.get(f"{LATER}/u-1", status=404, json=NOT_FOUND)
    github.get(f"{PULLS}/7", json=merged_json())

    assert merge(issue_client) == MergeResult(state=MergeState.MERGED)


def test_a_server_without_that_call_merges_at_once(
    github: Registry, issue_client: IssueClient
) -> None:
    wanted = json_params_matcher({"sha": HEAD, "merge_method": "merge"})
    github.put(LATER, status=404, json=NOT_FOUND)
    github.put(MERGE, json={"sha": TIP, "merged": True}, match=[wanted])

    assert merge(issue_client) == MergeResult(state=MergeState.MERGED)


@pytest.mark.parametrize(
    ("status", "now", "state"),
    [
        (405, pull_json(), MergeState.REFUSED),
        (409, pull_json(head=moved_head()), MergeState.MOVED),
        (405, merged_json(), MergeState.MERGED),
    ],
)
def test_why_such_a_server_refuses_is_read_from_the_pull_request(
    github: Registry,
    issue_client: IssueClient,
    status: int,
    now: dict[str, Any],
    state: MergeState,
) -> None:
    words = "Pull Request is not mergeable"
    github.put(LATER, status=404, json=NOT_FOUND)
    github.put(MERGE, status=status, json=refuse(words))
    github.get(f"{PULLS}/7", json=now)

    done = merge(issue_client)

    assert (done.state, done.reason) == (state, "" if state is MergeState.MERGED else words)


def test_a_merge_whose_answer_was_lost_is_found(
    github: Registry, issue_client: IssueClient
) -> None:
    github.put(LATER, body=requests.ConnectionError("reset"))
    github.put(LATER, json=ended("merged", sha=TIP))
    github.get(f"{PULLS}/7", json=merged_json())

    assert merge(issue_client) == MergeResult(state=MergeState.MERGED)


def test_a_pull_request_that_is_gone_is_not_merged(
    github: Registry, issue_client: IssueClient
) -> None:
    for url in (LATER, MERGE):
        github.put(url, status=404, json=NOT_FOUND)

    with pytest.raises(NotFound):
        merge(issue_client)


# --- what GitHub merges by itself -----------------------------------------------------------------


def answer_query(github: Registry, *, refusal: str = "", kind: str = "") -> None:
    if not refusal:
        github.post(QUERY, json={"data": {"m0": {"clientMutationId": None}}})
        return
    error = {"message": refusal, "type": kind, "path": ["m0"]}
    github.post(QUERY, json={"data": {"m0": None}, "errors": [error]})


def sent(github: Registry) -> dict[str, Any]:
    """Return the body of the only query that was sent."""
    (found,) = (
        json.loads(call.request.body or "") for call in github.calls if call.request.url == QUERY
    )
    return dict(found)


def test_auto_merge_names_the_head_that_was_checked(
    github: Registry, issue_client: IssueClient
) -> None:
    answer_query(github)

    done = issue_client.pulls.enable_auto_merge(make_pull(), commit=HEAD)

    assert done == MergeResult(state=MergeState.PENDING)
    assert sent(github) == {
        "query": "mutation($i0: EnablePullRequestAutoMergeInput!) "
        "{ m0: enablePullRequestAutoMerge(input: $i0) { clientMutationId } }",
        "variables": {
            "i0": {
                "pullRequestId": "PR_7",
                "expectedHeadOid": HEAD,
                "mergeMethod": "MERGE",
            }
        },
    }


def test_the_queue_is_asked_with_the_head_that_was_checked(
    github: Registry, issue_client: IssueClient
) -> None:
    answer_query(github)

    assert issue_client.pulls.enqueue(make_pull(), commit=HEAD) == MergeResult(
        state=MergeState.QUEUED
    )
    assert sent(github)["variables"] == {"i0": {"pullRequestId": "PR_7", "expectedHeadOid": HEAD}}


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        ("Pull request Pull request is in clean status", "UNPROCESSABLE"),
        ("Pull request Auto merge is not allowed for this repository", "UNPROCESSABLE"),
        ("Could not resolve to a node with the global id of 'PR_7'", "NOT_FOUND"),
        ("Resource not accessible by integration", "FORBIDDEN"),
    ],
)
def test_why_there_is_no_auto_merge_is_a_value(
    github: Registry, issue_client: IssueClient, refusal: str, kind: str
) -> None:
    answer_query(github, refusal=refusal, kind=kind)
    github.get(f"{PULLS}/7", json=pull_json())

    refused = issue_client.pulls.enable_auto_merge(make_pull(), commit=HEAD)

    assert refused.state is MergeState.REFUSED
    assert refusal in refused.reason


@pytest.mark.parametrize("kind", ["UNPROCESSABLE", "STALE_DATA"])
def test_neither_is_done_for_a_head_that_moved(
    github: Registry, issue_client: IssueClient, kind: str, clock: Clock
) -> None:
    answer_query(github, refusal="Head branch was modified", kind=kind)
    github.get(f"{PULLS}/7", json=pull_json(head=moved_head()))

    assert issue_client.pulls.enqueue(make_pull(), commit=HEAD).state is MergeState.MOVED
    assert clock.slept == []


def test_a_branch_without_a_queue_refuses(github: Registry, issue_client: IssueClient) -> None:
    words = "Merge queue is not enabled on this branch"
    answer_query(github, refusal=words, kind="UNPROCESSABLE")
    github.get(f"{PULLS}/7", json=pull_json())

    refused = issue_client.pulls.enqueue(make_pull(), commit=HEAD)

    assert refused == MergeResult(state=MergeState.REFUSED, reason=words)


def test_what_is_in_the_queue_already_is_queued(
    github: Registry, issue_client: IssueClient
) -> None:
    words = "Pull request is already in the queue"
    answer_query(github, refusal=words, kind="UNPROCESSABLE")

    assert issue_client.pulls.enqueue(make_pull(), commit=HEAD).state is MergeState.QUEUED


def test_a_server_without_these_calls_refuses(github: Registry, issue_client: IssueClient) -> None:
    words = "Field 'enqueuePullRequest' doesn't exist on type 'Mutation'"
    github.post(QUERY, json={"errors": [{"message": words}]})
    github.get(f"{PULLS}/7", json=pull_json())

    assert issue_client.pulls.enqueue(make_pull(), commit=HEAD).reason == words
