"""Each call about pull requests: the request that is sent, and what becomes of GitHub's answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
import responses
from responses.matchers import json_params_matcher, query_param_matcher

from concertmaster.github.errors import Invalid, NotAllowed, NotFound
from concertmaster.github.issues import IssueClient
from concertmaster.github.models import Comment, MergeResult, MergeState, Pull
from concertmaster.github.pull_requests import MERGE_LOOKS, SECONDS_BETWEEN_LOOKS

API = "https://api.github.com:443"
QUERY = f"{API}/graphql"
PULLS = f"{API}/repos/ada/opera/pulls"
MERGE, LATER = f"{PULLS}/7/merge", f"{PULLS}/7/merge-async"
SECRET = "hunter2-hunter2"
NOW = 1_700_000_000.0
HERE, FORK = {"id": 1, "full_name": "ada/opera"}, {"id": 2, "full_name": "eve/opera"}
HEAD, OTHER, TIP = "a" * 40, "b" * 40, "c" * 40
BRANCH = "concertmaster/run/fruit"
NOT_FOUND = {"message": "Not Found"}
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
def issue_client(clock: Clock) -> IssueClient:
    return IssueClient(
        url="https://api.github.com",
        repository="ada/opera",
        token="ghs_token",
        clock=clock,
        redact=lambda text: text.replace(SECRET, "***"),
    )


def pull_json(number: int = 7, **more: Any) -> dict[str, Any]:
    return {
        "number": number,
        "node_id": f"PR_{number}",
        "title": "Fruit",
        "body": "Text",
        "user": {"login": "bot"},
        "state": "open",
        "head": {"ref": BRANCH, "sha": HEAD, "repo": HERE},
        "base": {"ref": "main", "sha": TIP, "repo": HERE},
        "merged_at": None,
        "merge_commit_sha": "d" * 40,
        "auto_merge": None,
        "created_at": "2026-01-02T00:00:00Z",
        **more,
    }


def make_pull(number: int = 7, **more: Any) -> Pull:
    wanted: dict[str, Any] = {
        "number": number,
        "node_id": f"PR_{number}",
        "title": "Fruit",
        "body": "Text",
        "author": "bot",
        "head": BRANCH,
        "head_commit": HEAD,
        "is_open": True,
        "is_merged": False,
        "has_auto_merge": False,
        "merge_commit": "",
        "created_at": "2026-01-02T00:00:00Z",
    }
    return Pull(**{**wanted, **more})


def on_branch(branch: str, number: int, **more: Any) -> dict[str, Any]:
    return pull_json(number, head={"ref": branch, "sha": HEAD, "repo": HERE}, **more)


def refuse(message: str, **more: Any) -> dict[str, Any]:
    return {"message": message, "documentation_url": "https://docs.github.com/rest", **more}


def custom_error(message: str) -> dict[str, Any]:
    error = {"resource": "PullRequest", "code": "custom", "message": message}
    return refuse("Validation Failed", errors=[error])


def page(number: int, **more: str) -> Any:
    return query_param_matcher({"per_page": "100", "page": str(number), **more})


def newest_first(number: int) -> Any:
    return page(number, state="all", sort="created", direction="desc")


# --- reading ------------------------------------------------------------------------------------


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


# --- opening and changing -----------------------------------------------------------------------


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
    github.get(PULLS, json=[on_branch("other", 8)])  # a filter that GitHub cannot read is ignored

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


# --- reviews ------------------------------------------------------------------------------------


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


# --- merging ------------------------------------------------------------------------------------


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


# --- what GitHub merges by itself ---------------------------------------------------------------


def answer_query(github: Registry, *, refusal: str = "", kind: str = "") -> None:
    if not refusal:
        github.post(QUERY, json={"data": {"m0": {"clientMutationId": None}}})
        return
    error = {"message": refusal, "type": kind, "path": ["m0"]}
    github.post(QUERY, json={"data": {"m0": None}, "errors": [error]})


def sent(github: Registry) -> dict[str, Any]:
    """The one query that was sent."""
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
