"""A workflow is dispatched once, even if the answer is lost."""

from __future__ import annotations

import pytest
import requests
from responses.matchers import json_params_matcher, query_param_matcher

from concertmaster.github.issues import IssueClient
from concertmaster.github.workflows import NotDispatchable
from tests.unit.github.answers import REPOSITORY, Clock, Registry, refuse

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
    assert clock.slept == [10]  # a new run may appear in the list only after some seconds


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
