from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from github import GithubException
from github.Repository import Repository as Client

from tests.github.double import Double
from tests.github.gatekeeper import DEFAULT_PARAMETERS
from tests.github.people import User
from tests.github.state import Issue, Pull, Repository
from tests.github.views.issues import issue_node

pytestmark = pytest.mark.matrix  # the tests of the double

MakePull = Callable[[str, dict[str, str]], tuple[Issue, Pull]]
Connect = Callable[[str], Client]


def message_of(error: pytest.ExceptionInfo[GithubException]) -> str:
    message: str = error.value.data["message"]
    return message


def test_both_libraries_read_a_pull_request(
    client: Client, reader: Any, make_pull: MakePull
) -> None:
    issue, pull = make_pull("topic", {"b.txt": "b\n"})

    one = client.get_pull(issue.number)
    other = reader.pull_request("ada", "opera", issue.number)

    assert one.head.sha == other.head.sha == pull.head_commit
    assert (one.changed_files, other.additions_count) == (1, 1)
    assert [file.filename for file in other.files()] == ["b.txt"]


def test_mergeable_is_unknown_at_first(client: Client, make_pull: MakePull) -> None:
    issue, pull = make_pull("topic", {"b.txt": "b\n"})
    pull.asked_about = None  # the creation counts as a first query

    def look() -> tuple[Any, str]:
        shown = client.get_pull(issue.number)
        return shown.mergeable, shown.mergeable_state

    assert [look(), look()] == [(None, "unknown"), (True, "clean")]


def test_a_conflict_is_told_and_not_merged(
    client: Client, double: Double, repository: Repository, make_pull: MakePull
) -> None:
    issue, _ = make_pull("topic", {"a.txt": "mine\n"})
    double.commit(repository, "main", {"a.txt": "theirs\n"})
    assert client.get_pull(issue.number).mergeable is None

    pull = client.get_pull(issue.number)

    assert (pull.mergeable, pull.mergeable_state) == (False, "dirty")
    with pytest.raises(GithubException) as refused:
        pull.merge()
    assert (refused.value.status, message_of(refused)) == (405, "Pull Request is not mergeable")


@pytest.mark.parametrize(("method", "parents"), [("merge", 2), ("squash", 1), ("rebase", 1)])
def test_a_merge_moves_the_base(
    client: Client, make_pull: MakePull, method: str, parents: int
) -> None:
    issue, pull = make_pull("topic", {"b.txt": "b\n"})

    done = client.get_pull(issue.number).merge(merge_method=method, sha=pull.head_commit)

    tip = client.get_branch("main").commit
    assert (done.merged, done.sha, len(tip.parents)) == (True, tip.sha, parents)
    assert client.get_pull(issue.number).merged


def test_a_merge_of_another_head_is_refused(client: Client, make_pull: MakePull) -> None:
    issue, pull = make_pull("topic", {"b.txt": "b\n"})

    with pytest.raises(GithubException) as refused:
        client.get_pull(issue.number).merge(sha=pull.base_commit)

    assert refused.value.status == 409
    assert message_of(refused).startswith("Head branch was modified")


def ask_to_merge(client: Client, number: int, **wish: str) -> tuple[int, Any]:
    url = f"{client.url}/pulls/{number}/merge-async"
    status, _, body = client.requester.requestJson("PUT", url, input=wish)
    return status, json.loads(body)


def test_a_merge_can_be_asked_for_and_followed(client: Client, make_pull: MakePull) -> None:
    issue, pull = make_pull("topic", {"b.txt": "b\n"})

    status, asked = ask_to_merge(client, issue.number, sha=pull.head_commit)
    again, other = ask_to_merge(client, issue.number)
    uuid = asked["details"]["uuid"]
    _, ended = client.requester.requestJsonAndCheck(
        "GET", f"{client.url}/pulls/{issue.number}/merge-async/{uuid}"
    )

    assert (status, asked["status"]) == (202, "pending")
    assert (again, other["details"]["uuid"]) == (409, uuid)
    assert ended["status"] == "merged"
    assert ended["details"]["sha"] == client.get_branch("main").commit.sha


def test_a_merge_that_was_asked_for_may_fail(
    client: Client, double: Double, repository: Repository, make_pull: MakePull
) -> None:
    issue, _ = make_pull("topic", {"a.txt": "mine\n"})
    _, asked = ask_to_merge(client, issue.number)
    double.commit(repository, "main", {"a.txt": "theirs\n"})
    url = f"{client.url}/pulls/{issue.number}/merge-async/{asked['details']['uuid']}"
    ended = [client.requester.requestJsonAndCheck("GET", url)[1]["status"] for _ in range(3)]

    assert ended[-1] == "failed"


@pytest.fixture
def required_check(double: Double, repository: Repository) -> None:
    checks = {
        "required_status_checks": [{"context": "ci"}],
        "strict_required_status_checks_policy": False,
    }
    double.add_rule(repository, "required_status_checks", parameters=checks)


@pytest.fixture
def required_review(double: Double, repository: Repository) -> None:
    parameters = {**DEFAULT_PARAMETERS["pull_request"], "required_approving_review_count": 1}
    double.add_rule(repository, "pull_request", parameters=parameters)


@pytest.mark.usefixtures("required_review", "required_check")
def test_a_rule_asks_for_reviews_and_checks(
    client: Client, double: Double, make_pull: MakePull, connect: Connect, eve: User
) -> None:
    issue, pull = make_pull("topic", {"b.txt": "b\n"})
    merge = client.get_pull(issue.number).merge
    said = []

    with pytest.raises(GithubException) as refused:
        merge()
    said.append(message_of(refused))
    connect(double.user_token(eve)).get_pull(issue.number).create_review(event="APPROVE")
    with pytest.raises(GithubException) as refused:
        merge()
    said.append(message_of(refused))
    client.get_commit(pull.head_commit).create_status("success", context="ci")

    assert merge().merged
    assert said == [
        "At least 1 approving review is required by reviewers with write access.",
        'Required status check "ci" is expected.',
    ]
    _, rules = client.requester.requestJsonAndCheck("GET", f"{client.url}/rules/branches/main")
    assert [rule["type"] for rule in rules] == ["pull_request", "required_status_checks"]


def test_the_base_is_merged_into_the_head(
    client: Client, double: Double, repository: Repository, make_pull: MakePull
) -> None:
    issue, pull = make_pull("topic", {"b.txt": "b\n"})
    double.commit(repository, "main", {"c.txt": "c\n"})
    old = pull.head_commit

    # PyGithub returns whether GitHub accepted the update.
    assert not client.get_pull(issue.number).update_branch(expected_head_sha=pull.base_commit)
    assert client.get_pull(issue.number).update_branch(expected_head_sha=old)

    assert double.git(repository).reaches(pull.head_commit, old)
    assert double.git(repository).text("show", "topic:c.txt") == "c"


def test_actions_may_be_kept_from_opening_pull_requests(
    client: Client, repository: Repository, make_pull: MakePull
) -> None:
    repository.allow_pulls_by_actions = False

    with pytest.raises(GithubException) as refused:
        make_pull("topic", {"b.txt": "b\n"})

    assert refused.value.status == 403
    assert message_of(refused) == (
        "GitHub Actions is not permitted to create or approve pull requests."
    )


def test_a_pull_request_is_opened_once_for_a_branch(client: Client, make_pull: MakePull) -> None:
    make_pull("topic", {"b.txt": "b\n"})

    with pytest.raises(GithubException) as refused:
        client.create_pull(base="main", head="topic", title="Again")

    message = refused.value.data["errors"][0]["message"]
    assert message == "A pull request already exists for ada:topic."


def test_a_person_merges_by_squash_or_closes(
    client: Client, double: Double, repository: Repository, make_pull: MakePull, ada: User
) -> None:
    squashed, _ = make_pull("one", {"b.txt": "b\n"})
    closed, _ = make_pull("two", {"c.txt": "c\n"})

    double.merge_pull(repository, squashed, user=ada, method="squash")
    double.close(closed, user=ada)

    assert client.get_pull(squashed.number).merged_by.login == "ada"
    assert [client.get_pull(one.number).merged for one in (squashed, closed)] == [True, False]
    event = double.pull_event(repository, closed, sender=ada)
    assert (event["action"], event["pull_request"]["merged"]) == ("closed", False)


def test_auto_merge_is_for_what_cannot_be_merged_yet(
    client: Client, repository: Repository, make_pull: MakePull
) -> None:
    issue, _ = make_pull("topic", {"b.txt": "b\n"})
    with pytest.raises(GithubException, match="not allowed"):
        client.get_pull(issue.number).enable_automerge()
    repository.allow_auto_merge = True

    with pytest.raises(GithubException, match="clean status"):
        client.get_pull(issue.number).enable_automerge()


@pytest.mark.usefixtures("required_check")
def test_auto_merge_waits_for_what_is_required(
    client: Client, repository: Repository, make_pull: MakePull
) -> None:
    repository.allow_auto_merge = True
    issue, pull = make_pull("topic", {"b.txt": "b\n"})

    client.get_pull(issue.number).enable_automerge("SQUASH", expected_head_oid=pull.head_commit)

    assert client.get_pull(issue.number).raw_data["auto_merge"]["merge_method"] == "squash"
    client.get_commit(pull.head_commit).create_status("success", context="ci")
    assert client.get_pull(issue.number).merged


QUEUE = """mutation($id: ID!, $head: GitObjectID) {
  enqueuePullRequest(input: {pullRequestId: $id, expectedHeadOid: $head}) {
    mergeQueueEntry { state position } } }"""


def test_a_merge_queue_is_the_only_way_where_it_is_asked_for(
    client: Client, double: Double, repository: Repository, make_pull: MakePull
) -> None:
    double.add_rule(repository, "merge_queue")
    issue, pull = make_pull("topic", {"b.txt": "b\n"})
    with pytest.raises(GithubException, match="merge queue"):
        client.get_pull(issue.number).merge()
    wish = {"id": issue_node(issue), "head": pull.head_commit}

    _, done = client.requester.graphql_query(QUEUE, wish)

    assert done["data"]["enqueuePullRequest"]["mergeQueueEntry"]["state"] == "QUEUED"
    assert client.get_pull(issue.number).merged


def test_a_merge_that_is_asked_for_goes_through_the_queue(
    client: Client, double: Double, repository: Repository, make_pull: MakePull
) -> None:
    double.add_rule(repository, "merge_queue")
    issue, pull = make_pull("topic", {"b.txt": "b\n"})
    _, asked = ask_to_merge(client, issue.number, sha=pull.head_commit)

    url = f"{client.url}/pulls/{issue.number}/merge-async/{asked['details']['uuid']}"
    looks = [client.requester.requestJsonAndCheck("GET", url)[1] for _ in range(2)]

    assert [one["status"] for one in looks] == ["pending", "enqueued"]
    assert client.get_pull(issue.number).merged


def test_a_fork_keeps_its_branch_to_itself(
    client: Client, double: Double, repository: Repository, make_pull: MakePull
) -> None:
    fork = double.add_repository("eve/opera", source=repository.folder)
    there = double.commit(fork, "main", {"c.txt": "c\n"})
    issue = double.propose(repository, fork, branch="main")
    double.commit(repository, "main", {"d.txt": "d\n"})

    shown = client.get_pull(issue.number)

    assert (shown.head.repo.full_name, shown.head.sha, shown.state) == ("eve/opera", there, "open")
    assert [one.number for one in client.get_pulls(head="eve:main")] == [issue.number]
    assert [*client.get_pulls(head="ada:main")] == []


@pytest.mark.parametrize("way", ["body of the pull request", "message of a commit"])
def test_words_that_close_issues_do_so_on_the_default_branch(
    client: Client, double: Double, repository: Repository, make_pull: MakePull, way: str
) -> None:
    client.create_issue("Parent")
    issue, _ = make_pull("topic", {"b.txt": "b\n"})
    said = "Closes #1"
    client.get_pull(issue.number).edit(body=said if "body" in way else "Nothing")
    assert client.get_issue(1).raw_data["state"] == "open"

    client.get_pull(issue.number).merge(said if "commit" in way else "Landed")

    assert client.get_issue(1).raw_data["state"] == "closed"


def test_refs_move_forward_only_and_serve_as_locks(client: Client) -> None:
    start = client.get_branch("main").commit.sha
    ref = client.create_git_ref("refs/heads/lock", start)

    with pytest.raises(GithubException) as refused:
        client.create_git_ref("refs/heads/lock", start)
    assert message_of(refused) == "Reference already exists"

    tree = client.create_git_tree([], base_tree=client.get_git_tree("main"))
    new = client.create_git_commit("New", tree, [client.get_git_commit(start)])
    ref.edit(new.sha)
    with pytest.raises(GithubException) as refused:
        ref.edit(start)
    assert message_of(refused) == "Update is not a fast forward"
    ref.delete()
    assert [*client.get_git_matching_refs("heads/lock")] == []


def test_a_comparison_tells_how_far_apart_they_are(
    client: Client, reader: Any, make_pull: MakePull
) -> None:
    make_pull("topic", {"b.txt": "b\n"})

    found = client.compare("main", "topic")

    assert (found.status, found.ahead_by, found.behind_by) == ("ahead", 1, 0)
    assert [file.filename for file in found.files] == ["b.txt"]
    other = reader.repository("ada", "opera").compare_commits("main", "topic")
    assert [one.sha for one in other.commits()] == [one.sha for one in found.commits]
