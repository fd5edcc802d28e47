from __future__ import annotations

import base64
from typing import Any

import pytest
from github import GithubException
from github.Repository import Repository as Client

from tests.github.double import Double
from tests.github.faults import Effect, Fault
from tests.github.state import Repository
from tests.github.store import node_id

pytestmark = pytest.mark.matrix  # the tests of the double


def send(client: Client, document: str, **variables: Any) -> Any:
    """Return the whole answer, also if PyGithub raises because of its errors."""
    try:
        _, answer = client.requester.graphql_query(document, variables)
    except GithubException as error:
        return error.data
    return answer


CREATE = """mutation($repository: ID!, $label: ID!, $parent: ID!) {
  a: createIssue(input: {repositoryId: $repository, title: "A", labelIds: [$label],
                         parentIssueId: $parent}) { issue { number id parent { number } } }
  b: createIssue(input: {repositoryId: $repository, title: "B"}) { issue { number } }
  c: createIssue(input: {repositoryId: $repository, title: "C"}) { issue { number } }
}"""


@pytest.fixture
def variables(client: Client) -> dict[str, str]:
    """Return the ids for CREATE, read with one query."""
    client.create_issue("Parent", labels=["x"])
    answer = send(
        client,
        """{ viewer { login } repository(owner: "ada", name: "opera") {
             id label(name: "X") { id } issue(number: 1) { id } } }""",
    )
    assert answer["data"]["viewer"]["login"] == "github-actions[bot]"
    found = answer["data"]["repository"]
    named = {"repository": found, "label": found["label"], "parent": found["issue"]}
    return {name: node["id"] for name, node in named.items()}


def test_a_batch_makes_children_with_labels_in_one_call(
    client: Client, variables: dict[str, str], repository: Repository, double: Double
) -> None:
    answer = send(client, CREATE, **variables)

    assert answer["data"]["a"]["issue"]["parent"] == {"number": 1}
    assert [answer["data"][name]["issue"]["number"] for name in "abc"] == [2, 3, 4]
    assert [label.name for label in client.get_issue(2).labels] == ["x"]
    assert repository.issues[1].children == [repository.issues[2].id]
    assert double.log.mutations("createIssue") == 3


def test_an_error_of_one_field_leaves_the_others(
    client: Client, variables: dict[str, str], double: Double
) -> None:
    double.fail(Fault(effect=Effect.FIELD_ERROR, mutation="createIssue", nth=2))

    answer = send(client, CREATE, **variables)

    assert answer["data"]["b"] is None
    assert answer["data"]["c"]["issue"]["number"] == 3
    assert [error["path"] for error in answer["errors"]] == [["b"]]


@pytest.mark.parametrize(
    ("effect", "made"), [(Effect.BAD_GATEWAY_BEFORE, ["A"]), (Effect.BAD_GATEWAY_AFTER, ["A", "B"])]
)
def test_a_batch_may_be_done_in_part_when_the_answer_is_502(
    client: Client, variables: dict[str, str], double: Double, effect: Effect, made: list[str]
) -> None:
    double.fail(Fault(effect=effect, mutation="createIssue", nth=2))

    with pytest.raises(GithubException) as failed:
        client.requester.graphql_query(CREATE, variables)

    assert failed.value.status == 502
    titles = [issue.title for issue in client.get_issues(direction="asc")]
    assert titles == ["Parent", *made]


def test_an_author_that_is_a_bot_has_no_suffix_here(client: Client) -> None:
    """The suffix is shown by `viewer` and by the REST API."""
    client.create_issue("Title")

    answer = send(
        client,
        """{ repository(owner: "ada", name: "opera") {
             issue(number: 1) { author { login __typename } } } }""",
    )

    author = answer["data"]["repository"]["issue"]["author"]
    assert author == {"login": "github-actions", "__typename": "Bot"}


def test_what_is_not_there_is_null_with_an_error_beside_it(client: Client) -> None:
    answer = send(
        client, '{ repository(owner: "ada", name: "opera") { name issue(number: 9) { id } } }'
    )

    assert answer["data"] == {"repository": {"name": "opera", "issue": None}}
    assert answer["errors"][0]["type"] == "NOT_FOUND"
    assert answer["errors"][0]["message"] == ("Could not resolve to an Issue with the number of 9.")


def test_of_many_nodes_only_the_unknown_are_null(client: Client, variables: dict[str, str]) -> None:
    text = "query($ids: [ID!]!) { nodes(ids: $ids) { id __typename } }"

    answer = send(client, text, ids=[variables["label"], "I_nothing", variables["parent"]])

    kinds = [node and node["__typename"] for node in answer["data"]["nodes"]]
    assert kinds == ["Label", None, "Issue"]
    assert [error["path"] for error in answer["errors"]] == [["nodes", 1]]


def test_fields_that_github_lacks_are_refused(client: Client) -> None:
    answer = send(client, "{ viewer { shoeSize } }")

    assert "data" not in answer
    assert "Cannot query field 'shoeSize' on type 'User'" in answer["errors"][0]["message"]


def test_a_connection_needs_its_first_or_last(client: Client) -> None:
    text = '{ repository(owner: "ada", name: "opera") { issues(%s) { totalCount } } }'

    kinds = [
        send(client, text % args)["errors"][0]["type"] for args in ("states: OPEN", "first: 101")
    ]

    assert kinds == ["MISSING_PAGINATION_BOUNDARIES", "EXCESSIVE_PAGINATION"]


def test_a_connection_goes_on_behind_a_cursor(client: Client) -> None:
    for number in range(3):
        client.create_issue(f"Issue {number}")
    text = """query($after: String) { repository(owner: "ada", name: "opera") {
      issues(first: 2, after: $after) { nodes { number } pageInfo { hasNextPage endCursor } } } }"""

    first = send(client, text)["data"]["repository"]["issues"]
    second = send(client, text, after=first["pageInfo"]["endCursor"])["data"]["repository"][
        "issues"
    ]

    assert [node["number"] for node in first["nodes"] + second["nodes"]] == [1, 2, 3]
    assert [page["pageInfo"]["hasNextPage"] for page in (first, second)] == [True, False]


def test_every_relation_and_edit_works_by_node_id(
    client: Client, variables: dict[str, str], repository: Repository
) -> None:
    client.create_issue("Child")
    child = node_id("I", repository.issues[2].id)
    answer = send(
        client,
        """mutation($parent: ID!, $child: ID!, $label: ID!) {
          addSubIssue(input: {issueId: $parent, subIssueId: $child}) { subIssue { number } }
          addBlockedBy(input: {issueId: $child, blockingIssueId: $parent}) {
            issue { blockedBy(first: 5) { nodes { number } } } }
          addLabelsToLabelable(input: {labelableId: $child, labelIds: [$label]}) {
            labelable { labels(first: 5) { nodes { name } } } }
          updateIssue(input: {id: $child, body: "new"}) { issue { body } }
          addComment(input: {subjectId: $child, body: "one"}) {
            commentEdge { node { id url } } }
          closeIssue(input: {issueId: $child, stateReason: NOT_PLANNED}) {
            issue { state stateReason } }
        }""",
        parent=variables["parent"],
        child=child,
        label=variables["label"],
    )

    data = answer["data"]
    assert data["addBlockedBy"]["issue"]["blockedBy"]["nodes"] == [{"number": 1}]
    assert data["closeIssue"]["issue"] == {"state": "CLOSED", "stateReason": "NOT_PLANNED"}
    comment = data["addComment"]["commentEdge"]["node"]["id"]
    send(
        client,
        """mutation($id: ID!) {
             updateIssueComment(input: {id: $id, body: "two"}) { clientMutationId } }""",
        id=comment,
    )
    assert repository.issues[2].comments[0].body == "two"


COMMIT = """mutation($head: GitObjectID!, $path: String!, $text: Base64String!) {
  createCommitOnBranch(input: {
    branch: {repositoryNameWithOwner: "ada/opera", branchName: "main"}, expectedHeadOid: $head,
    message: {headline: "Remember"}, fileChanges: {additions: [{path: $path, contents: $text}]}
  }) { commit { oid } } }"""


def test_a_commit_is_made_only_on_the_expected_head(
    client: Client, double: Double, repository: Repository
) -> None:
    head = double.git(repository).branch("main")
    text = base64.b64encode(b"memory\n").decode()

    made = send(client, COMMIT, head=head, path=".github/Memory.md", text=text)
    stale = send(client, COMMIT, head=head, path=".github/Memory.md", text=text)

    assert made["data"]["createCommitOnBranch"]["commit"]["oid"] == (
        double.git(repository).branch("main")
    )
    assert stale["errors"][0]["type"] == "STALE_DATA"
    assert double.git(repository).text("show", "main:.github/Memory.md") == "memory"


def test_a_workflow_file_is_not_for_the_workflows_token(
    client: Client, double: Double, repository: Repository
) -> None:
    head = double.git(repository).branch("main")

    answer = send(client, COMMIT, head=head, path=".github/workflows/x.yml", text="")

    assert "without `workflows` permission" in answer["errors"][0]["message"]
    assert double.git(repository).branch("main") == head


def test_refs_move_together_or_not_at_all(
    client: Client, double: Double, repository: Repository, variables: dict[str, str]
) -> None:
    head = double.git(repository).branch("main")
    zeros = "0" * 40
    text = """mutation($repository: ID!, $moves: [RefUpdate!]!) {
      updateRefs(input: {repositoryId: $repository, refUpdates: $moves}) { clientMutationId } }"""

    def move(*moves: tuple[str, str | None, str | None]) -> Any:
        keys = ("name", "beforeOid", "afterOid")
        listed = [dict(zip(keys, one, strict=True)) for one in moves]
        return send(client, text, repository=variables["repository"], moves=listed)

    made = move(("refs/heads/a", zeros, head), ("refs/heads/b", zeros, head))
    stale = move(("refs/heads/c", zeros, head), ("refs/heads/a", zeros, head))

    assert "errors" not in made
    assert stale["errors"]
    assert {*double.git(repository).refs("refs/heads/")} == {
        "refs/heads/a",
        "refs/heads/b",
        "refs/heads/main",
    }
