"""Quick answers while a run goes on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from concertmaster.engine import actions
from concertmaster.engine.control import control
from tests.github.double import Double, write_event
from tests.github.people import User
from tests.github.state import Repository, Run
from tests.jobs.test_plan import LIST
from tests.jobs.workflow import Workflow

CONTROL_PERMISSIONS = {"contents": "read", "issues": "write", "actions": "write"}


@pytest.fixture
def run(double: Double, repository: Repository, eve: User) -> Run:
    """The workflow run that a planned issue names."""
    path = ".github/workflows/orchestrate.yml"
    double.commit(repository, "main", {path: "on: issue_comment\n"})
    return double.add_run(repository, path, event="issue_comment", actor=eve)


@pytest.fixture
def ask(
    comment: Callable[..., Workflow], double: Double, repository: Repository, eve: User, run: Run
) -> Callable[[str], str]:
    """Write a comment on an issue whose run goes on; what is answered."""
    workflow = comment("/orchestrate", issue_body=LIST, number=run.id)
    actions.plan(workflow.job())
    workflow.token = double.workflow_token(repository, CONTROL_PERMISSIONS)

    def write(body: str) -> str:
        issue = repository.issues[1]
        written = double.comment(repository, issue, user=eve, body=body)
        workflow.payload = double.comment_event(repository, issue, written)
        write_event(workflow.payload, workflow.folder / "event.json")
        before = len(issue.comments)
        assert control(workflow.job()) == 0
        assert control(workflow.job()) == 0  # run again: no second answer
        answers = issue.comments[before:]
        return answers[0].body if len(answers) == 1 else f"{len(answers)} answers"

    return write


def test_status_tells_tasks_and_jobs(ask: Callable[[str], str], double: Double, run: Run) -> None:
    double.set_job(run, "work (0)", status="in_progress")
    answer = ask("/orchestrate status")
    assert "3 tasks: 3 queued" in answer
    assert "| work (0) | in_progress |" in answer.replace("\\_", "_").replace("`", "")


def test_cancel_ends_the_workflow_run(ask: Callable[[str], str], double: Double, run: Run) -> None:
    double.set_job(run, "work (0)", status="in_progress")
    assert "is being cancelled" in ask("/orchestrate cancel")
    assert any(call.path.endswith(f"/actions/runs/{run.id}/cancel") for call in double.log)


def test_help_tells_what_can_be_asked_for(ask: Callable[[str], str]) -> None:
    assert "/orchestrate retry" in ask("/orchestrate help")


def test_an_issue_without_a_run_says_so(
    comment: Callable[..., Workflow], repository: Repository
) -> None:
    control(comment("/orchestrate status").job())
    assert "no run on this issue" in repository.issues[1].comments[-1].body


def test_other_commands_and_strangers_get_no_answer(
    comment: Callable[..., Workflow], repository: Repository, double: Double
) -> None:
    stranger = double.add_user("Mallory")
    control(comment("/orchestrate cancel", user=stranger).job())
    control(comment("/orchestrate").job())
    assert [len(issue.comments) for issue in repository.issues.values()] == [1, 1]
