"""Tests runs that land by pull requests, which people merge or close."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from concertmaster.model import TaskState
from concertmaster.rounds.history import TaskHistory
from tests.action.push_moment import at_first_push
from tests.action.rounds import SETTINGS, House, Round
from tests.conftest import in_matrix
from tests.github.double import Double
from tests.github.state import Issue

LANDED, LEFT_OUT, BLOCKED = TaskState.LANDED, TaskState.LEFT_OUT, TaskState.BLOCKED
AWAITING, SUCCEEDED = TaskState.AWAITING_MERGE, TaskState.SUCCEEDED
MEMORY = ".github/Memory.md"
PROMPTS = {
    "apple": "# Write apple\n\nwrite apple.txt apple\n",
    "pear": "# Write pear\n\nwrite pear.txt pear\n",
    "plum": "# Write plum\n\nwrite plum.txt plum\n",
    "tart": "---\nneeds: [pear.md]\n---\n# Bake tart\n\nneed pear.txt\nwrite tart.txt tart\n",
    "jam": "---\nneeds: [plum.md]\n---\n# Cook jam\n\nneed plum.txt\nwrite jam.txt jam\n",
    # These two exclude each other, so that the second is built on the first.
    "salt": "---\ntouches: [list.txt]\n---\n# Add salt\n\nappend list.txt salt\n",
    "mint": "---\ntouches: [list.txt]\n---\n# Add mint\n\nappend list.txt mint\n",
}


@pytest.fixture
def house(double: Double, tmp_path: Path) -> House:
    files = {"list.txt": "start\n"}
    settings = f"{SETTINGS}landing: pull-requests\n"
    return House.build(double, tmp_path, PROMPTS, settings=settings, files=files)


def tasks(house: House) -> dict[str, TaskHistory]:
    """Return the tasks of the first run by the name of the prompt."""
    history = house.history(house.rounds[0].outputs["run"])
    return {one.task.rpartition("-")[0]: one for one in history.tasks.values()}


def states(house: House) -> dict[str, TaskState]:
    return {name: one.state for name, one in tasks(house).items()}


def pulls(house: House, title: str) -> list[Issue]:
    return [issue for issue, _ in house.repository.pulls() if issue.title.startswith(title)]


def pull(house: House, title: str) -> Issue:
    """Return the newest pull request with a title that begins so."""
    return pulls(house, title)[-1]


def open_pulls(house: House) -> set[str]:
    """Return the titles of the open pull requests, without that of Memory.md."""
    titles = {issue.title for issue, _ in house.repository.pulls() if issue.state == "open"}
    return {title for title in titles if "Memory.md" not in title}


def merge(house: House, title: str, *, method: str = "merge") -> Issue:
    issue = pull(house, title)
    house.double.merge_pull(house.repository, issue, user=house.eve, method=method)
    return issue


def close(house: House, title: str) -> Issue:
    issue = pull(house, title)
    house.double.close(issue, user=house.eve)
    return issue


def settle(house: House, issue: Issue) -> Round:
    """Tell control of the closed pull request, and hold the round that it dispatches."""
    before = len(house.dispatched)
    house.close_pull(issue)
    assert len(house.dispatched) == before + 1
    return house.follow(house.dispatched[-1]).hold()


@pytest.mark.matrix
def test_two_merged_and_one_closed_settle_the_run(house: House) -> None:
    parent = house.open_issue("apple", "pear", "plum")
    house.ask(parent).hold()
    assert set(states(house).values()) == {AWAITING}
    assert open_pulls(house) == {"Write apple", "Write pear", "Write plum"}
    assert not house.issues("failure")

    settle(house, merge(house, "Write apple"))
    assert states(house) == {"apple": LANDED, "pear": AWAITING, "plum": AWAITING}
    settle(house, merge(house, "Write pear", method="squash"))
    last = settle(house, close(house, "Write plum"))

    assert states(house) == {"apple": LANDED, "pear": LANDED, "plum": LEFT_OUT}
    assert [child.state for child in house.issues("task")] == ["closed", "closed", "open"]
    (failure,) = house.issues("failure")
    assert failure.state == "open"
    assert "Write plum" in (failure.body or "")
    assert "was closed" in (failure.body or "")
    assert parent.state == "open"
    assert [name[:5] for name in json.loads(last.outputs["failed"])] == ["plum-"]
    assert {name.rpartition("-")[0] for name in house.branches()} == {"", "plum"}
    assert house.read(MEMORY) is None

    house.double.merge_pull(house.repository, pull(house, "Note run"), user=house.eve)
    memory = house.read(MEMORY) or ""
    assert memory.count("- landed #") == 2
    assert "was closed" in memory


@pytest.mark.matrix
def test_a_dependent_of_a_squashed_one_is_put_on_the_new_target(house: House) -> None:
    house.ask(house.open_issue("pear", "tart")).hold()
    assert states(house) == {"pear": AWAITING, "tart": SUCCEEDED}
    assert open_pulls(house) == {"Write pear"}

    held = settle(house, merge(house, "Write pear", method="squash"))

    assert held.outputs["count"] == "0"
    assert states(house) == {"pear": LANDED, "tart": AWAITING}
    bare, tart = house.double.git(house.repository), pull(house, "Bake tart").pull
    assert tart
    assert tart.head_commit != tasks(house)["tart"].head
    assert tasks(house)["pear"].landed_as == house.tip()
    assert bare.read_commit(tart.head_commit).parents == (house.tip(),)
    settle(house, merge(house, "Bake tart"))
    assert set(states(house).values()) == {LANDED}
    assert house.repository.issues[1].state == "closed"


@pytest.mark.matrix
def test_a_dependent_of_a_closed_one_is_blocked(house: House) -> None:
    house.ask(house.open_issue("apple", "plum", "jam")).hold()

    settle(house, close(house, "Write plum"))
    assert states(house) == {"apple": AWAITING, "plum": LEFT_OUT, "jam": BLOCKED}
    assert not pulls(house, "Cook jam")
    (failure,) = house.issues("failure")
    assert "Write plum" in (failure.body or "")
    assert "Cook jam" in (failure.body or "")

    settle(house, merge(house, "Write apple"))
    assert states(house) == {"apple": LANDED, "plum": LEFT_OUT, "jam": BLOCKED}
    assert "was closed" in tasks(house)["plum"].reason
    assert house.history(house.rounds[0].outputs["run"]).due is None


def neighbours(house: House) -> tuple[str, str]:
    """Return the titles of two tasks that exclude each other; the second is built on the first."""
    found = tasks(house)
    first, second = ("salt", "mint") if found["mint"].built_on else ("mint", "salt")
    assert found[second].built_on
    assert not found[first].built_on
    return f"Add {first}", f"Add {second}"


@pytest.mark.matrix
def test_a_neighbour_waits_while_a_person_may_merge_what_it_is_built_on(house: House) -> None:
    house.ask(house.open_issue("apple", "salt", "mint")).hold()
    first, second = neighbours(house)
    assert open_pulls(house) == {"Write apple", first}

    settle(house, merge(house, "Write apple"))
    assert open_pulls(house) == {first}
    assert SUCCEEDED in states(house).values()
    assert house.history(house.rounds[0].outputs["run"]).due is None

    settle(house, merge(house, first, method="squash"))
    assert open_pulls(house) == {second}
    settle(house, merge(house, second))
    assert set(states(house).values()) == {LANDED}
    assert house.read("list.txt") in ("start\nsalt\nmint\n", "start\nmint\nsalt\n")


@pytest.mark.matrix
def test_a_neighbour_of_a_closed_one_is_repaired_without_it(house: House) -> None:
    house.ask(house.open_issue("salt", "mint")).hold()
    first, second = neighbours(house)

    settle(house, close(house, first))
    while house.history(house.rounds[0].outputs["run"]).due:
        house.follow(house.dispatched[-1]).hold()

    assert open_pulls(house) == {second}
    settle(house, merge(house, second))
    word = second.partition(" ")[2]
    assert house.read("list.txt") == f"start\n{word}\n"
    assert sorted(states(house).values()) == [LANDED, LEFT_OUT]


@pytest.mark.matrix
def test_a_pull_request_that_was_closed_and_opened_again_may_still_be_merged(house: House) -> None:
    parent = house.open_issue("plum")
    house.ask(parent).hold()
    settle(house, close(house, "Write plum"))
    (failure,) = house.issues("failure")
    assert failure.state == "open"

    pull(house, "Write plum").state = "open"
    settle(house, merge(house, "Write plum"))

    assert states(house) == {"plum": LANDED}
    assert failure.state == "closed"
    assert parent.state == "closed"


@pytest.mark.matrix
def test_the_branch_of_a_closed_pull_request_stays_as_it_is(house: House) -> None:
    """GitHub reopens none whose branch has moved, and the task's own commit holds more."""
    house.ask(house.open_issue("pear", "tart")).hold()
    settle(house, merge(house, "Write pear", method="squash"))

    settle(house, close(house, "Bake tart"))

    tart, branch = pull(house, "Bake tart").pull, tasks(house)["tart"].branch
    assert tart
    assert tart.head_commit == house.tip(branch) != tasks(house)["tart"].head


@pytest.mark.matrix
def test_one_pull_request_for_all_that_was_closed_may_be_opened_again(
    double: Double, tmp_path: Path
) -> None:
    settings = f"{SETTINGS}landing: single-pull-request\n"
    house = House.build(double, tmp_path, PROMPTS, settings=settings)
    house.ask(house.open_issue("apple", "pear")).hold()
    (whole,) = [issue for issue, _ in house.repository.pulls()]

    house.double.close(whole, user=house.eve)
    settle(house, whole)
    assert set(states(house).values()) == {LEFT_OUT}
    whole.state = "open"
    house.double.merge_pull(house.repository, whole, user=house.eve)
    settle(house, whole)

    assert set(states(house).values()) == {LANDED}
    assert house.branches() == ["state"]


@pytest.mark.matrix
def test_after_a_closed_one_a_retry_opens_another(house: House) -> None:
    parent = house.open_issue("apple", "plum")
    house.ask(parent).hold()
    settle(house, close(house, "Write plum"))

    house.ask(parent, "/orchestrate retry").hold()

    assert states(house) == {"apple": AWAITING, "plum": AWAITING}
    assert [issue.state for issue in pulls(house, "Write plum")] == ["closed", "open"]
    assert len(pulls(house, "Write apple")) == 1


@pytest.mark.matrix
def test_what_is_merged_while_a_round_runs_is_settled_by_the_next(house: House) -> None:
    house.ask(house.open_issue("apple", "pear")).hold()
    house.close_pull(merge(house, "Write apple"))
    running = house.follow(house.dispatched[-1])
    running.plan()
    house.close_pull(merge(house, "Write pear"))
    running.work()
    running.verify()
    running.finalize()
    assert states(house) == {"apple": LANDED, "pear": AWAITING}

    house.follow(house.dispatched[1]).hold()

    assert states(house) == {"apple": LANDED, "pear": LANDED}
    assert house.repository.issues[1].state == "closed"


@pytest.mark.matrix
def test_what_is_merged_before_the_round_has_written_it_down_is_settled(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control gets the event before the state branch knows the pull request."""
    held = house.ask(house.open_issue("apple"))

    def merge_early() -> None:
        house.close_pull(merge(house, "Write apple"))

    at_first_push(monkeypatch, "state", merge_early)
    held.hold()
    assert len(house.dispatched) == 1

    house.follow(house.dispatched[-1]).hold()

    assert states(house) == {"apple": LANDED}
    assert house.repository.issues[1].state == "closed"


@pytest.mark.matrix
def test_rounds_that_people_cause_are_not_counted_as_ours(house: House) -> None:
    house.ask(house.open_issue("apple", "pear", "plum", "tart")).hold()
    for title in ("Write apple", "Write pear", "Write plum", "Bake tart"):
        settle(house, merge(house, title))

    history = house.history(house.rounds[0].outputs["run"])
    assert history.round == 5
    assert history.own_rounds == 0


@pytest.mark.matrix
def test_memory_that_was_merged_early_gets_another_pull_request(house: House) -> None:
    house.ask(house.open_issue("apple")).hold()
    house.double.merge_pull(house.repository, pull(house, "Note run"), user=house.eve)
    settle(house, merge(house, "Write apple"))

    house.double.merge_pull(house.repository, pull(house, "Note run"), user=house.eve)

    assert len(pulls(house, "Note run")) == 2
    memory = house.read(MEMORY) or ""
    assert memory.count("### ") == 1
    assert "- landed #" in memory


@pytest.mark.matrix
@pytest.mark.parametrize("event", ["label", "schedule"])
def test_where_nobody_looks_on_pull_requests_are_opened(
    double: Double, tmp_path: Path, event: str
) -> None:
    settings = f"{SETTINGS}schedule: [prompts/apple.md]\n"
    house = House.build(double, tmp_path, PROMPTS, settings=settings)
    if event == "label":
        issue = house.open_issue("apple")
        payload = double.label_event(house.repository, issue, name="orchestrate", sender=house.eve)
        house.start("issues", payload).hold()
    else:
        house.start("schedule", {"schedule": "0 3 * * *"}).hold()

    assert open_pulls(house) == {"Write apple"}
    assert house.read("apple.txt") is None
    settle(house, merge(house, "Write apple"))
    (parent,) = [one for one in house.repository.issues.values() if not one.parent and not one.pull]
    assert parent.state == "closed"


REVIEW = "- apple.txt:1 (note): could be longer <!-- x -->\n- all (note): @everyone may look"


def told(house: House, mode: str) -> Round:
    """Hold a round in which a reviewer approved the change with comments."""
    held = house.ask(house.open_issue("apple"), f"/orchestrate landing={mode}")
    held.plan()
    held.work()
    (file,) = held.artifacts.glob("concertmaster-work-*/results.json")
    document = json.loads(file.read_text())
    document["tasks"][0]["review"] = REVIEW
    file.write_text(json.dumps(document))
    held.verify()
    held.finalize()
    return held


@pytest.mark.matrix
@pytest.mark.parametrize("mode", ["merge", *in_matrix(["pull-requests"])])
def test_what_a_reviewer_said_is_a_review_on_the_pull_request(house: House, mode: str) -> None:
    held = told(house, mode)
    held.finalize()

    one = next(pull for issue, pull in house.repository.pulls() if issue.title == "Write apple")
    (review,) = one.reviews
    assert "could be longer" in review.body
    assert "<!-- x" not in review.body
    assert "`@everyone`" in review.body  # inert: it notifies nobody
    report = "".join(one.body for one in house.repository.issues[1].comments)
    assert "could be longer" not in report


@pytest.mark.matrix
def test_what_a_reviewer_said_is_in_the_report_where_there_is_no_pull_request(
    house: House,
) -> None:
    house.repository.allow_pulls_by_actions = False
    told(house, "merge")

    report = house.repository.issues[1].comments[-1].body
    assert "**Reviews**" in report
    assert "could be longer" in report
    assert "`@everyone`" in report  # inert: it notifies nobody
