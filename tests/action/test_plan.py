"""Tests the plan job: an event becomes child issues, a plan and a matrix."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from concertmaster.action.plan.job import plan as run_plan
from concertmaster.errors import EnvironmentFault, UsageError
from tests.action.conftest import SETTINGS
from tests.action.workflow import Workflow
from tests.github.double import Double
from tests.github.people import Role, User
from tests.github.state import Issue, Pull, Repository

Dispatch = Callable[..., Workflow]
LIST = "- prompts/apple.md\n- `prompts/pear.md`\n- [ ] prompts/plum.md\n"


@pytest.fixture
def dispatch(comment: Callable[..., Workflow], eve: User) -> Dispatch:
    """A function that starts the workflow by a dispatch, with an issue of this text."""

    def start(body: str = LIST, *, by: User = eve, event: str = "workflow_dispatch") -> Workflow:
        workflow = comment("unrelated", issue_body=body)
        workflow.event, workflow.payload = event, {"sender": {"login": by.login, "type": "User"}}
        return workflow

    return start


def titles(repository: Repository) -> set[str]:
    return {one.title for one in repository.issues.values()}


def planned(workflow: Workflow) -> dict[str, Any]:
    """Return plan.json of the artifact."""
    file = workflow.job().artifacts / "concertmaster-plan" / "plan.json"
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def issue_path(repository: Repository) -> str:
    return f"/repos/{repository.full_name}/issues/1"


def summary(workflow: Workflow) -> str:
    return (workflow.folder / "summary.md").read_text()


def test_a_comment_becomes_child_issues_links_labels_a_plan_and_a_matrix(
    comment: Callable[..., Workflow], repository: Repository
) -> None:
    workflow = comment("/orchestrate", issue_body=LIST)

    assert run_plan(workflow.job()) == 0

    issues = {one.title: one for one in repository.issues.values()}
    assert set(issues) == {"Fruit", "Write apple.txt", "Write pear.txt", "Write plum.txt"}
    assert "needs pear" in (issues["Write plum.txt"].body or "")
    assert workflow.outputs["count"] == "1"  # one job has slots for all three tasks
    assert json.loads(workflow.outputs["shares"]) == [0]
    assert len(workflow.outputs["plan_sha256"]) == 64


def test_a_dry_run_shows_the_plan_and_starts_nothing(
    comment: Callable[..., Workflow], repository: Repository
) -> None:
    workflow = comment("/orchestrate plan", issue_body=LIST)

    assert run_plan(workflow.job()) == 0

    assert len(repository.issues) == 1
    assert "dry run" in repository.issues[1].comments[-1].body
    assert workflow.outputs["count"] == "0"


def test_what_cannot_be_planned_is_answered_and_fails_the_job(
    comment: Callable[..., Workflow], repository: Repository
) -> None:
    workflow = comment("/orchestrate", issue_body="- prompts/missing.md\n")

    with pytest.raises(UsageError, match="is no file of the target branch"):
        run_plan(workflow.job())

    assert "prompts/missing.md" in repository.issues[1].comments[-1].body
    assert workflow.outputs["count"] == "0"


def test_planning_again_makes_nothing_twice(
    comment: Callable[..., Workflow], repository: Repository
) -> None:
    workflow = comment("/orchestrate", issue_body=LIST)
    run_plan(workflow.job())
    before = len(repository.issues), sum(len(i.comments) for i in repository.issues.values())
    run_plan(workflow.job())
    after = len(repository.issues), sum(len(i.comments) for i in repository.issues.values())
    assert after == before


def test_an_older_list_of_bare_names_is_found_below_prompts(
    comment: Callable[..., Workflow], repository: Repository
) -> None:
    body = "Execute these specific prompts in parallel:\n- apple.md\n- pear.md\n"
    run_plan(comment("/orchestrate", issue_body=body).job())
    titles = {one.title for one in repository.issues.values()}
    assert {"Write apple.txt", "Write pear.txt"} < titles


def test_a_label_starts_a_run_of_the_issue_it_is_put_on(
    comment: Callable[..., Workflow], repository: Repository, double: Double, eve: User
) -> None:
    workflow = comment("unrelated", issue_body=LIST)
    issue = repository.issues[1]
    workflow.event = "issues"
    workflow.payload = double.label_event(repository, issue, name="orchestrate", sender=eve)
    assert run_plan(workflow.job()) == 0
    assert workflow.outputs["run"] == "i1-w7001"
    assert len(repository.issues) == 4


@pytest.mark.parametrize("event", ["workflow_dispatch", "push"])
def test_a_dispatch_or_a_call_gets_a_parent_issue_of_ours(
    comment: Callable[..., Workflow], repository: Repository, eve: User, event: str
) -> None:
    workflow = comment("unrelated")
    workflow.event = event
    workflow.payload = {"sender": {"login": eve.login, "type": "User"}}
    inputs = {"prompts": "prompts/apple.md\n- prompts/pear.md"}
    assert run_plan(workflow.job(**inputs)) == 0
    assert run_plan(workflow.job(**inputs)) == 0  # a second run must not create a second parent
    parents = [one for one in repository.issues.values() if "kind=parent" in (one.body or "")]
    assert [one.title for one in parents] == ["Concertmaster run w7001"]
    assert len(repository.issues) == 4


def test_a_schedule_takes_its_prompts_from_the_settings_file(
    comment: Callable[..., Workflow], repository: Repository, double: Double
) -> None:
    settings = (
        "check: sh check.sh\nagent_command: sh agent.sh\nschedule: [prompts/plum.md, pear.md]\n"
    )
    double.commit(repository, "main", {"concertmaster.yml": settings})
    workflow = comment("unrelated")
    workflow.event, workflow.payload = "schedule", {"schedule": "0 3 * * *"}
    assert run_plan(workflow.job()) == 0
    titles = {one.title for one in repository.issues.values()}
    assert titles == {"Fruit", "Concertmaster run w7001", "Write plum.txt", "Write pear.txt"}


@pytest.mark.parametrize("makefile", ["test:\n\tsh check.sh\n", "all:\n"])
def test_a_check_that_nobody_gave_is_found_in_the_target_branch_or_asked_for(
    comment: Callable[..., Workflow], repository: Repository, double: Double, makefile: str
) -> None:
    files = {"concertmaster.yml": "agent_command: sh agent.sh\n", "Makefile": makefile}
    double.commit(repository, "main", files)
    workflow = comment("/orchestrate", issue_body=LIST)
    if "test" in makefile:
        assert run_plan(workflow.job()) == 0
        plan = planned(workflow)
        assert plan["settings"]["check"] == "make test"
        assert "check: `make test` (found: the Makefile has a target test)" in plan["notes"]
    else:
        with pytest.raises(UsageError, match="which command must pass"):
            run_plan(workflow.job())
        assert "which command must pass" in repository.issues[1].comments[-1].body
    assert (workflow.outputs["count"] == "0") == ("test" not in makefile)


def test_where_there_is_no_run_nothing_is_tried_again_and_that_is_said(
    comment: Callable[..., Workflow], repository: Repository
) -> None:
    with pytest.raises(UsageError):
        run_plan(comment("/orchestrate retry", issue_body=LIST).job())
    assert "there is no run on issue #1" in repository.issues[1].comments[-1].body
    assert len(repository.issues) == 1


# --- the target that concertmaster.yml names ---------------------------------------------------


@pytest.fixture
def release(double: Double, repository: Repository) -> str:
    """The tip of a branch with settings and prompts of its own, which main names as the target."""
    settings = "check: sh release.sh\nagent_command: sh agent.sh\ntarget: elsewhere\n"
    files = {"concertmaster.yml": settings, "prompts/fig.md": "# Write fig.txt\n"}
    tip = double.commit(repository, "release", files)
    double.commit(repository, "main", {"concertmaster.yml": f"{SETTINGS}target: release\n"})
    return tip


def test_the_target_of_the_settings_file_is_the_base_and_all_else_is_read_at_its_tip(
    comment: Callable[..., Workflow], repository: Repository, release: str
) -> None:
    workflow = comment("/orchestrate", issue_body="- prompts/fig.md\n")

    assert run_plan(workflow.job()) == 0

    plan = planned(workflow)
    assert (plan["target"], plan["base"]) == ("release", release)
    assert plan["settings"]["check"] == "sh release.sh"
    assert titles(repository) == {"Fruit", "Write fig.txt"}


@pytest.mark.parametrize("inputs", [{}, {"target": "main"}])
def test_a_target_that_was_asked_for_counts_before_the_settings_file(
    comment: Callable[..., Workflow], release: str, inputs: dict[str, str]
) -> None:
    option = "" if inputs else " target=main"
    workflow = comment(f"/orchestrate{option}", issue_body=LIST)

    assert run_plan(workflow.job(**inputs)) == 0

    assert planned(workflow)["target"] == "main"


def test_the_settings_file_of_the_default_branch_may_name_that_branch(
    comment: Callable[..., Workflow], repository: Repository, double: Double
) -> None:
    double.commit(repository, "main", {"concertmaster.yml": f"{SETTINGS}target: main\n"})
    workflow = comment("/orchestrate", issue_body=LIST)

    assert run_plan(workflow.job()) == 0

    assert planned(workflow)["target"] == "main"


@pytest.mark.parametrize("source", ["comment", "input", "file"])
@pytest.mark.parametrize("branch", ["nowhere", "v1"])
def test_a_target_that_is_no_branch_is_answered_and_fails_the_job(
    comment: Callable[..., Workflow],
    repository: Repository,
    double: Double,
    source: str,
    branch: str,
) -> None:
    double.git(repository).run("update-ref", "refs/tags/v1", "refs/heads/main")
    if source == "file":
        settings = f"{SETTINGS}target: {branch}\n"
        double.commit(repository, "main", {"concertmaster.yml": settings})
    option = f" target={branch}" if source == "comment" else ""
    workflow = comment(f"/orchestrate{option}", issue_body=LIST)

    with pytest.raises(UsageError, match=f"there is no branch '{branch}'") as refused:
        run_plan(workflow.job(target=branch if source == "input" else ""))

    assert "target" in refused.value.next_step
    assert f"there is no branch '{branch}'" in repository.issues[1].comments[-1].body
    assert titles(repository) == {"Fruit"}


@pytest.mark.parametrize("source", ["input", "file"])
@pytest.mark.parametrize(
    "branch", ["refs/heads/main", "-x", "concertmaster/x", "main:evil", "a..b"]
)
def test_a_target_must_be_a_plain_name_of_a_branch(
    comment: Callable[..., Workflow],
    repository: Repository,
    double: Double,
    source: str,
    branch: str,
) -> None:
    if source == "file":
        settings = f'{SETTINGS}target: "{branch}"\n'
        double.commit(repository, "main", {"concertmaster.yml": settings})
    workflow = comment("/orchestrate", issue_body=LIST)

    with pytest.raises(UsageError, match="`target` cannot be"):
        run_plan(workflow.job(target=branch if source == "input" else ""))

    assert titles(repository) == {"Fruit"}


# --- a dispatch or a call that names an issue --------------------------------------------------


@pytest.mark.parametrize("event", ["workflow_dispatch", "push"])
def test_a_dispatch_or_a_call_that_names_an_issue_takes_the_list_from_its_text(
    dispatch: Dispatch, repository: Repository, double: Double, event: str
) -> None:
    workflow = dispatch("Please:\n- prompts/apple.md\n- [x] prompts/pear.md\n", event=event)

    assert run_plan(workflow.job(issue=1)) == 0

    assert titles(repository) == {"Fruit", "Write apple.txt"}
    assert workflow.outputs["count"] == "1"
    reads = [c for c in double.log if (c.method, c.path) == ("GET", issue_path(repository))]
    assert len(reads) == 1


def test_a_list_that_is_given_counts_before_that_of_the_issue(
    dispatch: Dispatch, repository: Repository
) -> None:
    assert run_plan(dispatch().job(issue=1, prompts="prompts/plum.md\nprompts/pear.md")) == 0
    assert titles(repository) == {"Fruit", "Write plum.txt", "Write pear.txt"}


def test_a_list_in_the_issue_of_a_dispatch_that_cannot_be_read_is_answered_there(
    dispatch: Dispatch, repository: Repository
) -> None:
    workflow = dispatch("- ../outside.md\n")

    assert run_plan(workflow.job(issue=1)) == 0

    assert "../outside.md" in repository.issues[1].comments[-1].body
    assert titles(repository) == {"Fruit"}
    assert workflow.outputs["count"] == "0"


def test_the_issue_is_not_read_for_somebody_who_may_not_start_a_run(
    dispatch: Dispatch, repository: Repository, double: Double
) -> None:
    mallory = double.add_user("Mallory")
    double.give_role(repository, mallory, Role.TRIAGE)

    assert run_plan(dispatch(by=mallory).job(issue=1)) == 0

    assert issue_path(repository) not in [call.path for call in double.log]
    assert titles(repository) == {"Fruit"}


# --- issues that cannot be a parent ------------------------------------------------------------


def refuse_parent(workflow: Workflow, inputs: dict[str, str], *, number: int = 1) -> str:
    """Return the text of the error; check that the summary page has it too."""
    with pytest.raises(EnvironmentFault) as refused:
        run_plan(workflow.job(issue=number, **inputs))
    error = refused.value
    assert error.why
    assert error.next_step
    assert error.what in summary(workflow)
    assert workflow.outputs["count"] == "0"
    return f"{error.what}: {error.why} {error.next_step}"


def make_pull(double: Double, repository: Repository) -> Issue:
    issue = repository.issues[1]
    tip = double.git(repository).branch("main") or ""
    issue.pull = Pull(id=1, head="x", base="main", head_commit=tip, base_commit=tip)
    return issue


PROMPTS = [{}, {"prompts": "prompts/apple.md"}]


@pytest.mark.parametrize("inputs", PROMPTS)
@pytest.mark.parametrize("private", [False, True])
def test_a_pull_request_is_no_parent(
    dispatch: Dispatch,
    repository: Repository,
    double: Double,
    private: bool,
    inputs: dict[str, str],
) -> None:
    workflow = dispatch()
    issue = make_pull(double, repository)
    repository.private = private

    said = refuse_parent(workflow, inputs)

    assert "#1 of ada/opera" in said
    assert "pull request" in said

    assert [*repository.issues.values()] == [issue]
    assert len(issue.comments) == 1


@pytest.mark.parametrize("inputs", PROMPTS)
@pytest.mark.parametrize("private", [False, True])
def test_an_issue_that_was_transferred_is_no_parent(
    dispatch: Dispatch,
    repository: Repository,
    double: Double,
    private: bool,
    inputs: dict[str, str],
) -> None:
    workflow = dispatch()
    other = double.add_repository("ada/theatre", private=private)
    moved = double.transfer(repository, repository.issues[1], to=other)

    said = refuse_parent(workflow, inputs)

    assert ("transferred" if private else "ada/theatre#1") in said
    assert repository.issues == {}
    assert [*other.issues.values()] == [moved]
    assert len(moved.comments) == 1


@pytest.mark.parametrize("inputs", PROMPTS)
def test_an_issue_that_was_deleted_is_no_parent(
    dispatch: Dispatch, repository: Repository, double: Double, inputs: dict[str, str]
) -> None:
    workflow = dispatch()
    double.delete(repository, repository.issues[1])

    said = refuse_parent(workflow, inputs)

    assert "there is no issue #1 in ada/opera" in said
    assert "This issue was deleted" in said

    assert repository.issues == {}


@pytest.mark.parametrize("inputs", PROMPTS)
def test_an_issue_that_is_not_there_is_no_parent(
    dispatch: Dispatch, repository: Repository, inputs: dict[str, str]
) -> None:
    said = refuse_parent(dispatch(), inputs, number=99)
    assert "there is no issue #99 in ada/opera" in said
    assert titles(repository) == {"Fruit"}


def test_where_issues_are_turned_off_that_is_said_and_not_that_one_was_deleted(
    dispatch: Dispatch, repository: Repository
) -> None:
    workflow = dispatch()
    repository.has_issues = False
    assert "turn on issues" in refuse_parent(workflow, {})


# --- a locked parent ---------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["", " plan"])
def test_a_locked_parent_is_refused_before_anything_is_made(
    comment: Callable[..., Workflow], repository: Repository, verb: str
) -> None:
    workflow = comment(f"/orchestrate{verb}", issue_body=LIST)
    issue = repository.issues[1]
    issue.locked = True

    said = refuse_parent(workflow, {})

    assert "issue #1: it is locked" in said
    assert "unlock" in said
    assert titles(repository) == {"Fruit"}
    assert len(issue.comments) == 1
    assert issue.comments[0].reactions == []
    assert not (workflow.folder / "temp/concertmaster/repository").exists()


def test_a_locked_parent_is_fine_where_we_may_comment_on_it(
    comment: Callable[..., Workflow], repository: Repository, double: Double, eve: User
) -> None:
    workflow = comment("/orchestrate", issue_body=LIST)
    repository.issues[1].locked = True
    workflow.token = double.user_token(eve)

    assert run_plan(workflow.job()) == 0

    ours = [one.body for one in repository.issues[1].comments[1:]]
    assert len(ours) == 1
    assert "kind=plan" in ours[0]
    assert len(repository.issues) == 4


def test_what_cannot_be_answered_on_a_locked_issue_stands_on_the_page_of_the_job(
    comment: Callable[..., Workflow], repository: Repository
) -> None:
    workflow = comment("/orchestrate dance", issue_body=LIST)
    repository.issues[1].locked = True

    assert run_plan(workflow.job()) == 0

    assert "I do not know" in summary(workflow)
    assert "locked" in workflow.said.getvalue()
    assert workflow.outputs["count"] == "0"
