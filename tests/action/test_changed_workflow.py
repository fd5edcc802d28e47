"""Tests runs during which a person changes a workflow file on the target.

The server takes no push of the workflow's own token with other workflow files than its branches.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from concertmaster.model import TaskState
from tests.action.rounds import SETTINGS, House, Round
from tests.conftest import in_matrix
from tests.github.double import Double

CI = ".github/workflows/ci.yml"
PROMPTS = {
    "apple": "# Write apple\n\nwrite apple.txt apple\n",
    "pear": "# Write pear\n\nwrite pear.txt pear\n",
    "list": "# Fill list\n\nwrite list.txt ours\n",
}


@pytest.fixture
def house(double: Double, tmp_path: Path) -> House:
    return House.build(double, tmp_path, PROMPTS, files={CI: "on: push\n"})


def change(house: House, **more: str) -> None:
    """Change the workflow file on the target, as a person does."""
    house.double.commit(house.repository, "main", {CI: "on: pull_request\n", **more})


def hold(house: House, names: str, *, before: str, words: str = "/orchestrate") -> Round:
    """Hold a round; the workflow file changes before this job."""
    held = house.ask(house.open_issue(*names.split()), words)
    for job in ("plan", "work", "verify", "finalize"):
        if job == before:
            change(house)
        getattr(held, job)()
    return held


def go_on(house: House) -> None:
    while len(house.dispatched) >= len(house.rounds):
        house.follow(house.dispatched[-1]).hold()


def states(house: House) -> set[TaskState]:
    return {one.state for one in house.history(house.rounds[0].outputs["run"]).tasks.values()}


def report(house: House) -> str:
    return house.repository.issues[1].comments[-1].body


@pytest.mark.matrix
@pytest.mark.parametrize("any_branch", [True, *in_matrix([False])])
@pytest.mark.parametrize("before", ["verify", *in_matrix(["work", "finalize"])])
def test_a_workflow_that_changes_during_the_run_costs_no_work(
    house: House, before: str, any_branch: bool
) -> None:
    house.repository.workflows_on_any_branch = any_branch
    hold(house, "apple pear", before=before)
    assert "refus" not in report(house)
    assert "could not be pushed" not in report(house)

    go_on(house)

    assert states(house) == {TaskState.LANDED}
    assert (house.read("apple.txt"), house.read("pear.txt")) == ("apple\n", "pear\n")
    assert house.read(CI) == "on: pull_request\n"
    assert house.branches() == ["state"]


@pytest.mark.matrix
def test_pull_requests_are_opened_from_the_merge_onto_the_present_tip(house: House) -> None:
    held = hold(house, "apple", before="finalize", words="/orchestrate landing=pull-requests")
    held.finalize()  # once more, after a further commit on the target
    change(house, **{"other.txt": "x\n"})
    held.finalize()

    ((issue, pull),) = [
        (issue, pull) for issue, pull in house.repository.pulls() if issue.title == "Write apple"
    ]
    changed = house.double.git(house.repository).changes(pull.base_commit, pull.head_commit)
    assert "apple.txt" in {one.path for one in changed}
    assert CI not in {one.path for one in changed}
    house.double.merge_pull(house.repository, issue, user=house.eve)
    house.close_pull(issue)
    house.follow(house.dispatched[-1]).hold()
    assert states(house) == {TaskState.LANDED}


@pytest.mark.matrix
def test_work_that_cannot_be_pushed_is_kept_and_lands_later(house: House) -> None:
    """The merge onto the target conflicts, so no branch can hold the work."""
    held = house.ask(house.open_issue("list"))
    held.plan()
    held.work()
    held.verify()
    change(house, **{"list.txt": "theirs\n"})
    held.finalize()

    run = held.outputs["run"]
    (task,) = house.history(run).tasks.values()
    assert task.state is TaskState.SUCCEEDED
    assert f"work/{task.task}.bundle" in report(house)
    assert "refused" not in report(house).replace("refusing", "")
    house.double.commit(house.repository, "main", {"list.txt": None})
    go_on(house)
    assert house.read("list.txt") == "ours\n"
    assert house.history(run).tasks[task.task].state is TaskState.LANDED
    files = house.double.git(house.repository).text(
        "ls-tree", "-r", "--name-only", house.tip(f"concertmaster/{run}/state")
    )
    assert "work/" not in files


@pytest.mark.matrix
def test_work_that_is_nowhere_any_more_is_lost_and_not_refused(house: House) -> None:
    held = hold(house, "apple", before="finalize")
    house.double.git(house.repository).text("update-ref", "-d", _branch(house, held))
    house.double.git(house.repository).text("reflog", "expire", "--expire=now", "--all")
    house.double.git(house.repository).text("gc", "--prune=now", "--quiet")
    go_on(house)

    (task,) = house.history(held.outputs["run"]).tasks.values()
    assert (task.state, task.fault) == (TaskState.FAILED, None)
    assert "on no branch and in no bundle" in task.reason
    house.ask(house.repository.issues[1], "/orchestrate retry").hold()
    go_on(house)
    assert house.read("apple.txt") == "apple\n"


def _branch(house: House, held: Round) -> str:
    (task,) = house.history(held.outputs["run"]).tasks.values()
    return f"refs/heads/{task.branch}"


@pytest.mark.matrix
def test_where_the_default_branch_has_other_workflows_the_work_of_another_target_is_kept(
    double: Double, tmp_path: Path
) -> None:
    """In the stricter reading nothing can be pushed for such a target."""
    settings = f"{SETTINGS}target: develop\n"
    house = House.build(double, tmp_path, PROMPTS, settings=settings, files={CI: "on: push\n"})
    bare = double.git(house.repository)
    bare.update({"refs/heads/develop": (house.tip(), None)})
    change(house)
    house.repository.workflows_on_any_branch = False

    held = house.ask(house.open_issue("apple")).hold()

    (task,) = house.history(held.outputs["run"]).tasks.values()
    assert task.state is TaskState.SUCCEEDED
    assert f"work/{task.task}.bundle" in report(house)
    house.repository.workflows_on_any_branch = True
    house.ask(house.repository.issues[1], "/orchestrate retry").hold()
    assert house.read("apple.txt", branch="develop") == "apple\n"
