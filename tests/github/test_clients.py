"""github3.py works with the double; it requires more fields of each answer than PyGithub."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from github.Repository import Repository as Client

from tests.github.double import Double
from tests.github.people import User
from tests.github.state import Repository


def test_issues_comments_labels_and_reactions(reader: Any, double: Double) -> None:
    opera = reader.repository("ada", "opera")
    issue = opera.create_issue("Title", body="Body", labels=["x"])
    comment = issue.create_comment("one")
    comment.edit("two")
    issue.edit(title="Other", state="closed")
    issue.add_labels("y")

    assert [one.body for one in issue.comments()] == ["two"]
    assert [one.title for one in opera.issues(state="all")] == ["Other"]
    assert [one.name for one in opera.labels()] == ["x", "y"]
    assert [one.name for one in issue.labels()] == ["x", "y"]
    assert [call.status for call in double.log if call.is_write] == [201, 201, 200, 200, 200]


def test_branches_commits_refs_and_trees(reader: Any) -> None:
    opera = reader.repository("ada", "opera")
    tip = opera.branch("main").commit.sha

    ref = opera.create_ref("refs/heads/topic", tip)
    commit = opera.create_commit(
        message="New", tree=opera.tree("main").sha, parents=[tip], author=None, committer=None
    )
    ref.update(commit.sha)

    assert opera.ref("heads/topic").object.sha == commit.sha
    assert {branch.name for branch in opera.branches()} == {"main", "topic"}
    assert [one.sha for one in opera.commits(sha="topic")] == [commit.sha, tip]
    assert len([*opera.tree("main").tree]) == 2


def test_pull_requests_reviews_and_merges(
    reader: Any, make_pull: Callable[..., Any], eve: User
) -> None:
    issue, pull = make_pull("topic", {"b.txt": "b\n"})
    shown = reader.pull_request("ada", "opera", issue.number)
    shown.create_review("Fine", event="COMMENT")
    shown.create_review_requests(reviewers=[eve.login])

    assert [one.state for one in shown.reviews()] == ["COMMENTED"]
    assert [one.sha for one in shown.commits()] == [pull.head_commit]
    assert [one.number for one in reader.repository("ada", "opera").pull_requests()] == [1]
    assert shown.merge(sha=pull.head_commit)
    assert shown.is_merged()


def test_statuses_checks_and_permissions(reader: Any, client: Client) -> None:
    opera = reader.repository("ada", "opera")
    tip = opera.branch("main").commit.sha
    opera.create_status(tip, "success", context="ci", description="fine")
    client.create_check_run("orchestrator", tip)

    assert [one.context for one in opera.commit(tip).statuses()] == ["ci"]
    assert opera.commit(tip).status().state == "success"
    assert [one.status for one in opera.commit(tip).check_runs()] == ["queued"]


def test_comments_of_the_repository_are_polled_by_time(
    client: Client, double: Double, repository: Repository, ada: User
) -> None:
    issue = double.open_issue(repository, user=ada, title="Parent")
    double.comment(repository, issue, user=ada, body="old")
    double.clock.advance(100)
    since = double.clock.now()
    double.clock.advance(100)
    double.comment(repository, issue, user=ada, body="new")

    assert [one.body for one in client.get_issues_comments(since=since)] == ["new"]
