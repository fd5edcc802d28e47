"""IssueBatches and Workflows work against the double of GitHub."""

from __future__ import annotations

import pytest

from concertmaster.github.issues import IssueClient
from concertmaster.github.workflows import NotDispatchable
from tests.github.double import Double
from tests.github.faults import Effect, Fault
from tests.github.state import Repository
from tests.integration.github.conftest import LOST, push

ROUND = {"run": "x", "round": "2"}


# --- issues -------------------------------------------------------------------------------------


def test_issues_are_closed_together(
    double: Double, repository: Repository, issue_client: IssueClient
) -> None:
    issues = [
        double.open_issue(repository, user=repository.owner, title=str(number))
        for number in range(25)
    ]
    double.close(issues[0], user=repository.owner, reason="not_planned")
    double.log.clear()

    issue_client.batches.close([issue_client.issue(one.number) for one in issues])

    assert {one.state for one in issues} == {"closed"}
    assert (issues[0].state_reason, issues[2].state_reason) == ("not_planned", "completed")
    assert len(double.log.matching("POST", "*/graphql")) == 2


# --- starting the next round --------------------------------------------------------------------


def dispatch(
    issue_client: IssueClient, inputs: dict[str, str] | None = None, ref: str = "main"
) -> None:
    issue_client.workflows.dispatch("orchestrate.yml", ref=ref, inputs=inputs or ROUND)


def test_a_round_is_started_with_its_inputs(
    issue_client: IssueClient, repository: Repository
) -> None:
    dispatch(issue_client)

    assert [run.inputs for run in repository.runs] == [ROUND]


@pytest.mark.parametrize("effect", LOST)
def test_one_round_is_started_whatever_becomes_of_the_answer(
    double: Double, repository: Repository, issue_client: IssueClient, effect: Effect
) -> None:
    path = ".github/workflows/orchestrate.yml"
    double.add_run(repository, path, event="workflow_dispatch", actor=repository.owner)
    double.fail(Fault(effect=effect, method="POST", path="*/dispatches", nth=1))

    dispatch(issue_client)

    assert [run.inputs for run in repository.runs] == [{}, ROUND]


@pytest.mark.parametrize(
    ("inputs", "ref", "reason"),
    [
        ({**ROUND, "colour": "red"}, "main", "Unexpected inputs"),
        (ROUND, "old", "does not have 'workflow_dispatch' trigger"),
        (ROUND, "nowhere", "No ref found"),
    ],
)
def test_a_workflow_that_takes_no_such_round_is_told(
    double: Double,
    repository: Repository,
    issue_client: IssueClient,
    *,
    inputs: dict[str, str],
    ref: str,
    reason: str,
) -> None:
    push(double, repository, "old", {".github/workflows/orchestrate.yml": "on:\n  push:\n"})

    with pytest.raises(NotDispatchable) as told:
        dispatch(issue_client, inputs, ref)

    assert reason in told.value.why
    assert repository.runs == []


def test_a_workflow_file_that_is_gone_is_told(
    double: Double, repository: Repository, issue_client: IssueClient
) -> None:
    double.commit(repository, "main", {".github/workflows/orchestrate.yml": None})

    with pytest.raises(NotDispatchable):
        dispatch(issue_client)
