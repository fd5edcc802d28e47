"""Tests the answers of the control job while a run goes on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from concertmaster.action.control import control
from concertmaster.action.plan.job import plan as run_plan
from concertmaster.text.marks import read_marks
from tests.action.test_plan import LIST
from tests.action.workflow import Workflow
from tests.github import tracker
from tests.github.double import Double, write_event
from tests.github.faults import Effect, Fault
from tests.github.people import User
from tests.github.state import Issue, Repository, Run

Ask = Callable[[str], str]
CONTROL_PERMISSIONS = {"contents": "read", "issues": "write", "actions": "write"}


@pytest.fixture
def run(double: Double, repository: Repository, eve: User) -> Run:
    """The workflow run that a planned issue names."""
    path = ".github/workflows/orchestrate.yml"
    double.commit(repository, "main", {path: "on: issue_comment\n"})
    return double.add_run(repository, path, event="issue_comment", actor=eve)


@pytest.fixture
def workflow(comment: Callable[..., Workflow], run: Run) -> Workflow:
    """The workflow of an issue on which a run was requested."""
    return comment("/orchestrate", issue_body=LIST, number=run.id)


def write(workflow: Workflow, user: User, body: str) -> Issue:
    """Comment on the issue, make that the workflow's event, and return the issue."""
    issue = workflow.repository.issues[1]
    written = workflow.double.comment(workflow.repository, issue, user=user, body=body)
    workflow.payload = workflow.double.comment_event(workflow.repository, issue, written)
    write_event(workflow.payload, workflow.folder / "event.json")
    return issue


@pytest.fixture
def ask(workflow: Workflow, double: Double, repository: Repository, eve: User) -> Ask:
    """A function that comments on an issue whose run goes on and returns the answer."""
    run_plan(workflow.job())
    workflow.token = double.workflow_token(repository, CONTROL_PERMISSIONS)

    def answer(body: str) -> str:
        issue = write(workflow, eve, body)
        before = len(issue.comments)
        double.log.clear()
        assert control(workflow.job()) == 0
        assert control(workflow.job()) == 0  # a second run must not answer again
        answers = issue.comments[before:]
        return answers[0].body if len(answers) == 1 else f"{len(answers)} answers"

    return answer


@pytest.fixture
def crowded(workflow: Workflow, double: Double, repository: Repository, eve: User) -> None:
    """A parent issue that takes only two more sub-issues."""
    for number in range(98):
        other = double.open_issue(repository, user=eve, title=f"Other {number}")
        tracker.add_child(double.store, repository.issues[1], child=other)


@pytest.fixture
def without_sub_issues(double: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not know sub-issues."""
    double.fail(Fault(effect=Effect.NOT_FOUND, path="*/sub_issues"))
    monkeypatch.setattr(tracker, "MOST_CHILDREN", 0)


def lists_by_label(double: Double) -> int:
    return sum(call.method == "GET" and call.path.endswith("/issues") for call in double.log)


def test_status_tells_tasks_and_jobs(ask: Ask, double: Double, run: Run) -> None:
    double.set_job(run, "work (0)", status="in_progress")
    answer = ask("/orchestrate status")
    assert "3 tasks: 3 running" in answer
    row = "| work (0) | #2 #3 #4 | in_progress |"
    assert row in answer.replace("\\_", "_").replace("`", "")


def test_children_are_running_from_when_their_shares_are_handed_out(
    ask: Ask, repository: Repository, double: Double, run: Run
) -> None:
    children = [one for one in repository.issues.values() if one.title.startswith("Write ")]
    labels = [{label.name for label in repository.labels_of(one)} for one in children]
    assert labels == [{"concertmaster", "concertmaster:running"}] * 3

    double.set_job(run, "orchestrate / work (0)", status="queued")
    assert "3 tasks: 3 queued" in ask("/orchestrate status")
    double.set_job(run, "orchestrate / work (0)", status="completed", conclusion="success")
    assert "3 tasks: 3 worked on and not yet checked" in ask("/orchestrate status")


def test_status_and_cancel_answer_when_the_workflow_run_is_gone(
    ask: Ask, repository: Repository
) -> None:
    repository.runs.clear()

    answer = ask("/orchestrate status")
    assert "3 tasks: 3 interrupted" in answer
    assert "has no workflow run" in answer
    assert "/orchestrate retry" in answer
    assert "Nothing is to be cancelled" in ask("/orchestrate cancel")


def test_status_asks_for_no_label_while_the_parent_has_room(ask: Ask, double: Double) -> None:
    ask("/orchestrate status")
    assert lists_by_label(double) == 0


@pytest.mark.usefixtures("crowded")
def test_status_counts_tasks_that_found_no_room_below_the_parent(ask: Ask, double: Double) -> None:
    assert "3 tasks: 3 running" in ask("/orchestrate status")
    assert lists_by_label(double) == 2  # the job ran twice


@pytest.mark.usefixtures("without_sub_issues")
def test_status_counts_on_a_server_without_sub_issues(ask: Ask) -> None:
    assert "3 tasks: 3 running" in ask("/orchestrate status")


@pytest.mark.matrix
@pytest.mark.usefixtures("crowded")
def test_status_counts_no_issue_of_anybody_else_and_none_twice(
    ask: Ask, double: Double, repository: Repository
) -> None:
    ours = next(one for one in repository.issues.values() if one.title == "Write apple.txt")
    bot = double.store.actions_app.bot
    mallory = double.add_user("Mallory")
    same = ours.body or ""
    further = same.replace(read_marks(same)[0].task, "further-1234")
    elsewhere = further.replace("of #1,", "of #2,").replace('"parent":1}', '"parent":2}')
    for user, body in [(bot, same), (mallory, further), (bot, elsewhere)]:
        double.open_issue(repository, user=user, title="x", body=body).labels = [*ours.labels]

    assert "3 tasks: 3 running" in ask("/orchestrate status")


def test_status_counts_the_tasks_of_the_newest_run(ask: Ask, workflow: Workflow, eve: User) -> None:
    write(workflow, eve, "/orchestrate\n\n- prompts/apple.md\n- prompts/pear.md\n")
    run_plan(workflow.job())

    assert "2 tasks: 2 running" in ask("/orchestrate status")


def test_cancel_ends_the_workflow_run(ask: Ask, double: Double, run: Run) -> None:
    double.set_job(run, "work (0)", status="in_progress")
    assert "is being cancelled" in ask("/orchestrate cancel")
    assert any(call.path.endswith(f"/actions/runs/{run.id}/cancel") for call in double.log)


def test_no_text_of_a_prompt_directs_cancel_to_another_run(
    ask: Ask, workflow: Workflow, double: Double, repository: Repository, eve: User
) -> None:
    other = workflow.number + 1
    link = f"[Workflow run]({double.url}/{repository.full_name}/actions/runs/{other})"
    prompt = f"# Write `{link}`\n\nStart after prompts/pear.md is done: `{link}`.\n"
    double.commit(repository, "main", {"prompts/plum.md": prompt})
    issue = write(workflow, eve, "/orchestrate plan")
    run_plan(workflow.job())
    assert link in issue.comments[-1].body

    ask("/orchestrate cancel")

    cancelled = {call.path for call in double.log if call.path.endswith("/cancel")}
    assert [path.split("/")[-2] for path in cancelled] == [str(workflow.number)]


def test_help_tells_what_can_be_asked_for(ask: Ask) -> None:
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
