from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from github import GithubException
from github.ContentFile import ContentFile
from github.Repository import Repository as Client

from tests.github.double import Double, write_event
from tests.github.people import User
from tests.github.state import Repository

pytestmark = pytest.mark.matrix  # the tests of the double

WORKFLOW = "orchestrate.yml"


def test_a_dispatch_tells_its_run(client: Client, repository: Repository) -> None:
    url = f"{client.url}/actions/workflows/{WORKFLOW}/dispatches"
    wish = {"ref": "main", "inputs": {"run": "x", "round": "2"}, "return_run_details": True}

    _, started = client.requester.requestJsonAndCheck("POST", url, input=wish)

    run = client.get_workflow_run(started["workflow_run_id"])
    assert (run.event, run.status, run.actor.login) == (
        "workflow_dispatch",
        "queued",
        "github-actions[bot]",
    )
    assert repository.runs[0].inputs == {"run": "x", "round": "2"}


def test_a_dispatch_answers_204_by_default(client: Client) -> None:
    workflow = client.get_workflow(WORKFLOW)

    assert workflow.create_dispatch("main", {"run": "x", "round": "1"})
    assert [run.run_number for run in workflow.get_runs()] == [1]


@pytest.mark.parametrize(
    ("ref", "inputs", "message"),
    [
        ("main", {"colour": "red"}, "Unexpected inputs provided: ['colour']"),
        ("main", {"run": "x"}, "Required input 'round' not provided"),
        ("nowhere", {}, "No ref found for: nowhere"),
    ],
)
def test_a_dispatch_that_cannot_be_is_refused(
    client: Client, ref: str, inputs: dict[str, str], message: str
) -> None:
    with pytest.raises(GithubException) as refused:
        client.get_workflow(WORKFLOW).create_dispatch(ref, inputs, throw=True)

    assert (refused.value.status, refused.value.data["message"]) == (422, message)


def test_a_test_sets_how_far_the_jobs_are(
    client: Client, double: Double, repository: Repository, ada: User
) -> None:
    run = double.add_run(
        repository, f".github/workflows/{WORKFLOW}", event="issue_comment", actor=ada
    )
    double.set_job(run, "plan", status="completed", conclusion="success")
    double.set_job(run, "work (0)", status="in_progress")

    read = client.get_workflow_run(run.id)

    assert read.status == "in_progress"
    assert [(job.name, job.status, job.conclusion) for job in read.jobs()] == [
        ("plan", "completed", "success"),
        ("work (0)", "in_progress", None),
    ]
    double.set_job(run, "work (0)", status="completed", conclusion="failure")
    assert client.get_workflow_run(run.id).conclusion == "failure"


def test_a_run_is_cancelled_once(
    client: Client, double: Double, repository: Repository, ada: User
) -> None:
    run = double.add_run(
        repository, f".github/workflows/{WORKFLOW}", event="issue_comment", actor=ada
    )
    double.set_job(run, "work (0)", status="in_progress")

    assert client.get_workflow_run(run.id).cancel()
    assert not client.get_workflow_run(run.id).cancel()
    assert [job.conclusion for job in client.get_workflow_run(run.id).jobs()] == ["cancelled"]


def test_a_check_run_belongs_to_its_app(client: Client, double: Double, reader: Any) -> None:
    commit = client.get_branch("main").commit.sha

    made = client.create_check_run("orchestrator", commit, status="in_progress")
    made.edit(conclusion="success", output={"title": "Done", "summary": "All landed"})

    runs = [*reader.repository("ada", "opera").commit(commit).check_runs()]
    assert [(run.name, run.status, run.conclusion) for run in runs] == [
        ("orchestrator", "completed", "success")
    ]


def test_the_combined_status_is_that_of_the_newest_of_each(client: Client) -> None:
    commit = client.get_commit("main")
    commit.create_status("failure", context="ci")
    commit.create_status("success", context="ci", description="at last")

    assert commit.get_combined_status().state == "success"
    assert [status.state for status in commit.get_statuses()] == ["success", "failure"]


def test_an_event_is_what_a_workflow_finds(
    double: Double, repository: Repository, ada: User, tmp_path: Path
) -> None:
    issue = double.open_issue(repository, user=ada, title="Parent")
    comment = double.comment(repository, issue, user=ada, body="/orchestrate")

    file = write_event(double.comment_event(repository, issue, comment), tmp_path / "event.json")

    event = json.loads(file.read_text())
    assert event["action"] == "created"
    assert event["comment"]["author_association"] == "OWNER"
    assert event["repository"]["default_branch"] == "main"
    assert event["sender"]["login"] == event["comment"]["user"]["login"] == "ada"


def test_who_labels_is_the_sender(
    double: Double, repository: Repository, ada: User, eve: User
) -> None:
    issue = double.open_issue(repository, user=ada, title="Parent")

    event = double.label_event(repository, issue, name="concertmaster", sender=eve)

    assert (event["action"], event["label"]["name"], event["sender"]["login"]) == (
        "labeled",
        "concertmaster",
        "Eve",
    )


def test_contents_and_trees_are_read_at_a_ref(client: Client, reader: Any) -> None:
    tip = client.get_branch("main").commit.sha

    file, folder = client.get_contents("a.txt", ref=tip), client.get_contents(".github/workflows")
    assert isinstance(file, ContentFile)
    assert isinstance(folder, list)
    assert file.decoded_content == b"a\n"
    assert [one.name for one in folder] == [WORKFLOW]
    paths = [one.path for one in client.get_git_tree(tip, recursive=True).tree]
    assert paths == [".github", ".github/workflows", f".github/workflows/{WORKFLOW}", "a.txt"]
    assert reader.repository("ada", "opera").file_contents("a.txt").decoded == b"a\n"
