"""PullRequests and branch rules work against the double of GitHub."""

from __future__ import annotations

import pytest

from concertmaster.github.errors import Invalid, NotAllowed
from concertmaster.github.issues import IssueClient
from concertmaster.github.models import Comment, MergeState, Pull
from tests.action.workflow import BentClock
from tests.github.double import Double
from tests.github.faults import Effect, Fault
from tests.github.gatekeeper import DEFAULT_PARAMETERS
from tests.github.merging import note_push
from tests.github.state import Repository
from tests.integration.github.conftest import BRANCH, LOST, push


@pytest.fixture
def pull(issue_client: IssueClient, head: str) -> Pull:
    return open_pull(issue_client, BRANCH)


def open_pull(issue_client: IssueClient, branch: str) -> Pull:
    return issue_client.pulls.open(branch=branch, base="main", title="Fruit", body="<!-- mark -->")


def is_marked(comment: Comment) -> bool:
    return "<!-- mark -->" in comment.body


def require_check(double: Double, repository: Repository) -> None:
    checks = {
        "required_status_checks": [{"context": "ci"}],
        "strict_required_status_checks_policy": False,
    }
    double.add_rule(repository, "required_status_checks", parameters=checks)


# --- opening ------------------------------------------------------------------------------------


def test_a_pull_request_is_opened_and_found(
    issue_client: IssueClient, pull: Pull, head: str
) -> None:
    assert (pull.head, pull.head_commit) == (BRANCH, head)
    assert pull.is_open
    assert issue_client.pulls.get(pull.number) == pull
    assert issue_client.pulls.find([BRANCH, "other"]) == {BRANCH: pull}


@pytest.mark.parametrize("effect", LOST)
def test_it_is_opened_once_whatever_becomes_of_the_answer(
    double: Double, issue_client: IssueClient, repository: Repository, head: str, effect: Effect
) -> None:
    double.fail(Fault(effect=effect, method="POST", path="*/pulls", nth=1))

    opened = open_pull(issue_client, BRANCH)

    assert [issue.number for issue, _ in repository.pulls()] == [opened.number]


def test_opening_it_again_gives_the_same(issue_client: IssueClient, pull: Pull) -> None:
    assert open_pull(issue_client, BRANCH) == pull


def test_a_branch_with_nothing_new_gets_none(
    double: Double, repository: Repository, issue_client: IssueClient
) -> None:
    tip = double.git(repository).branch("main") or ""
    double.git(repository).update({f"refs/heads/{BRANCH}": (tip, None)})

    with pytest.raises(Invalid) as told:
        open_pull(issue_client, BRANCH)

    assert "No commits between" in told.value.why


def test_where_no_workflow_may_open_one_the_setting_is_named(
    repository: Repository, issue_client: IssueClient, head: str
) -> None:
    repository.allow_pulls_by_actions = False

    with pytest.raises(NotAllowed) as told:
        open_pull(issue_client, BRANCH)

    assert "Allow GitHub Actions to create and approve" in told.value.next_step


def test_the_same_branch_of_a_fork_is_not_taken_for_ours(
    double: Double, repository: Repository, issue_client: IssueClient, pull: Pull
) -> None:
    fork = double.add_repository("eve/opera", source=repository.folder)
    push(double, fork, BRANCH, {"fruit.txt": "poison\n"})
    theirs = double.propose(repository, fork, branch=BRANCH)

    assert issue_client.pulls.find([BRANCH]) == {BRANCH: pull}
    assert open_pull(issue_client, BRANCH) == pull
    assert issue_client.pulls.get(theirs.number).head == ""


def test_of_a_branch_with_several_the_newest_is_found(
    double: Double, repository: Repository, issue_client: IssueClient, pull: Pull
) -> None:
    double.close(repository.issues[pull.number], user=repository.owner)
    again = open_pull(issue_client, BRANCH)

    assert issue_client.pulls.find([BRANCH]) == {BRANCH: again}


def test_pull_requests_from_before_the_run_are_left_out(
    double: Double, issue_client: IssueClient, pull: Pull
) -> None:
    assert issue_client.pulls.find([BRANCH], since=pull.created_at) == {BRANCH: pull}
    assert issue_client.pulls.find([BRANCH], since="2999-01-01T00:00:00Z") == {}


# --- changing -----------------------------------------------------------------------------------


def test_it_can_be_changed_commented_on_and_labelled(issue_client: IssueClient, pull: Pull) -> None:
    changed = issue_client.pulls.change(pull, body="<!-- mark --> done")
    issue_client.set_labels(pull.number, add=["concertmaster"])
    comment = issue_client.put_comment(pull.number, "<!-- mark -->", is_ours=is_marked)

    found = issue_client.pulls.get(pull.number)
    assert (changed.title, found.body) == ("Fruit", "<!-- mark --> done")
    assert issue_client.issue(pull.number).labels == {"concertmaster"}
    assert f"/{pull.number}#" in comment.url


def test_a_review_is_made_once(
    double: Double, repository: Repository, issue_client: IssueClient, pull: Pull
) -> None:
    double.fail(Fault(effect=Effect.TIMEOUT_AFTER, method="POST", path="*/reviews", nth=1))

    for _ in range(2):
        issue_client.pulls.review(pull.number, "<!-- mark --> evidence", is_ours=is_marked)

    (made,) = repository.issues[pull.number].pull.reviews  # type: ignore[union-attr]
    assert made.state == "COMMENTED"


# --- merging ------------------------------------------------------------------------------------


def test_a_merge_is_followed_to_its_end(
    double: Double, repository: Repository, issue_client: IssueClient, pull: Pull, head: str
) -> None:
    done = issue_client.pulls.merge(pull, commit=head)

    git = double.git(repository)
    assert done.state is MergeState.MERGED
    assert git.text("log", "-1", "--format=%P", "main").split()[1] == head
    assert issue_client.pulls.merge(pull, commit=head) == done


@pytest.mark.parametrize("effect", LOST)
def test_a_merge_is_made_once_whatever_becomes_of_the_answer(
    double: Double, issue_client: IssueClient, pull: Pull, head: str, effect: Effect
) -> None:
    double.fail(Fault(effect=effect, method="PUT", path="*/merge-async", nth=1))

    assert issue_client.pulls.merge(pull, commit=head).state is MergeState.MERGED


@pytest.mark.parametrize("effect", [None, *LOST])
def test_a_server_without_that_call_merges_at_once(
    double: Double, issue_client: IssueClient, pull: Pull, head: str, effect: Effect | None
) -> None:
    double.fail(Fault(effect=Effect.NOT_FOUND, method="PUT", path="*/merge-async"))
    if effect:
        double.fail(Fault(effect=effect, method="PUT", path="*/merge", nth=1))

    assert issue_client.pulls.merge(pull, commit=head).state is MergeState.MERGED


@pytest.mark.parametrize("is_old", [False, True])
def test_a_head_that_moved_is_not_merged(
    double: Double,
    repository: Repository,
    issue_client: IssueClient,
    *,
    pull: Pull,
    head: str,
    is_old: bool,
) -> None:
    if is_old:
        double.fail(Fault(effect=Effect.NOT_FOUND, method="PUT", path="*/merge-async"))
    push(double, repository, BRANCH, {"fruit.txt": "poison\n"})
    before = double.git(repository).branch("main")

    done = issue_client.pulls.merge(pull, commit=head)

    assert done.state is MergeState.MOVED
    assert double.git(repository).branch("main") == before


def test_a_merge_that_takes_long_is_left_pending(
    double: Double, issue_client: IssueClient, pull: Pull, head: str, clock: BentClock
) -> None:
    double.store.calls_before_merge = 100

    assert issue_client.pulls.merge(pull, commit=head).state is MergeState.PENDING
    assert sum(clock.slept) < 60
    assert (
        issue_client.pulls.merge(pull, commit=head).state is MergeState.PENDING
    )  # 409: the request of the first call is followed


def test_a_conflict_is_refused(
    double: Double, repository: Repository, issue_client: IssueClient, pull: Pull, head: str
) -> None:
    double.commit(repository, "main", {"fruit.txt": "pear\n"})

    done = issue_client.pulls.merge(pull, commit=head)

    assert (done.state, done.reason) == (MergeState.REFUSED, "Pull Request is not mergeable")


def test_a_required_review_is_waited_for(
    double: Double, repository: Repository, issue_client: IssueClient, pull: Pull, head: str
) -> None:
    reviews = {**DEFAULT_PARAMETERS["pull_request"], "required_approving_review_count": 1}
    double.add_rule(repository, "pull_request", parameters=reviews)
    repository.allow_auto_merge = True

    refused = issue_client.pulls.merge(pull, commit=head)
    waiting = issue_client.pulls.enable_auto_merge(pull, commit=head)

    assert refused.state is MergeState.REFUSED
    assert "approving review" in refused.reason
    assert waiting.state is MergeState.PENDING
    assert issue_client.pulls.get(pull.number).has_auto_merge
    assert issue_client.pulls.merge(pull, commit=head).state is MergeState.PENDING


def test_auto_merge_lands_it_when_the_check_is_green(
    double: Double, repository: Repository, issue_client: IssueClient, pull: Pull, head: str
) -> None:
    require_check(double, repository)
    repository.allow_auto_merge = True
    assert issue_client.pulls.enable_auto_merge(pull, commit=head).state is MergeState.PENDING

    repository.rules.clear()

    assert issue_client.pulls.get(pull.number).is_merged


@pytest.mark.parametrize(("allowed", "reason"), [(True, "clean status"), (False, "not allowed")])
def test_auto_merge_is_refused_where_it_makes_no_sense(
    repository: Repository,
    issue_client: IssueClient,
    pull: Pull,
    *,
    head: str,
    allowed: bool,
    reason: str,
) -> None:
    repository.allow_auto_merge = allowed

    refused = issue_client.pulls.enable_auto_merge(pull, commit=head)

    assert refused.state is MergeState.REFUSED
    assert reason in refused.reason


def test_where_the_base_has_a_queue_a_merge_ends_in_it(
    double: Double, repository: Repository, issue_client: IssueClient, pull: Pull, head: str
) -> None:
    double.add_rule(repository, "merge_queue")

    assert issue_client.pulls.merge(pull, commit=head).state is MergeState.QUEUED
    assert issue_client.pulls.get(pull.number).is_merged  # the queue merges before this call


@pytest.mark.parametrize("effect", [None, *LOST])
def test_the_queue_can_be_asked_by_itself(
    double: Double,
    repository: Repository,
    issue_client: IssueClient,
    *,
    pull: Pull,
    head: str,
    effect: Effect | None,
) -> None:
    double.add_rule(repository, "merge_queue")
    require_check(double, repository)  # keeps the pull request in the queue
    if effect:
        double.fail(Fault(effect=effect, mutation="enqueuePullRequest", nth=1))

    assert issue_client.pulls.enqueue(pull, commit=head).state is MergeState.QUEUED


def test_a_branch_without_a_queue_refuses(issue_client: IssueClient, pull: Pull, head: str) -> None:
    refused = issue_client.pulls.enqueue(pull, commit=head)

    assert refused.state is MergeState.REFUSED
    assert "not enabled" in refused.reason


@pytest.mark.parametrize("way", ["enqueue", "enable_auto_merge"])
def test_nothing_is_enqueued_that_was_not_checked(
    double: Double,
    repository: Repository,
    issue_client: IssueClient,
    *,
    pull: Pull,
    head: str,
    way: str,
) -> None:
    double.add_rule(repository, "merge_queue")
    repository.allow_auto_merge = True
    push(double, repository, BRANCH, {"fruit.txt": "poison\n"})

    assert getattr(issue_client.pulls, way)(pull, commit=head).state is MergeState.MOVED


def test_github_shows_it_as_merged_when_its_head_is_pushed_to_the_base(
    double: Double, repository: Repository, issue_client: IssueClient, pull: Pull, head: str
) -> None:
    double.git(repository).update({"refs/heads/main": (head, None)})
    with double.store.lock:
        note_push(double.store, repository, user=repository.owner)

    found = issue_client.pulls.get(pull.number)
    shown = issue_client.issue(pull.number)

    assert (found.is_open, found.is_merged, found.merge_commit) == (False, True, head)
    assert (shown.is_pull, shown.is_open, shown.is_merged) == (True, False, True)
    assert issue_client.pulls.merge(pull, commit=head).state is MergeState.MERGED


# --- rules --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "forbids"), [("pull_request", True), ("merge_queue", True), ("deletion", False)]
)
def test_the_rules_tell_whether_a_push_makes_sense(
    double: Double, repository: Repository, issue_client: IssueClient, kind: str, forbids: bool
) -> None:
    double.add_rule(repository, kind, branches="release/*")

    assert [rule.type for rule in issue_client.rules("release/1")] == [kind]
    assert bool(issue_client.forbids_push("release/1")) == forbids
    assert issue_client.rules("main") == ()
