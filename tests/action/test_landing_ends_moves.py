"""Tests how landing ends when people move the target or branches of the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from concertmaster.errors import EnvironmentFault
from concertmaster.landing.fault import LandingFault as Why
from concertmaster.model import TaskState
from tests.action.landing_ends import (
    API,
    GIT,
    MEMORY,
    apple,
    ask,
    assert_landed,
    assert_merged,
    assert_open,
    assert_settled,
    assert_untouched,
    build_house,
    carries_memory_alone,
    checked_commit,
    labels,
    log,
    meanwhile,
    occupy,
    only_pull,
    open_pull,
    parents,
    pulls,
    push,
    report,
    settle_by_person,
    task_branch,
    verified,
)
from tests.action.rounds import House
from tests.github.double import Double

sweep = pytest.mark.matrix


@pytest.fixture
def house(double: Double, tmp_path: Path) -> House:
    return build_house(double, tmp_path)


@sweep
@pytest.mark.parametrize("job", ["plan", "work"])
def test_a_target_that_moves_before_the_check_is_checked_as_it_is_then(
    house: House, job: str
) -> None:
    held = ask(house)
    held.plan()
    if job == "plan":
        theirs = push(house)
    held.work()
    if job == "work":
        theirs = push(house)
    held.verify()
    held.finalize()
    assert theirs in log(house, checked_commit(held))
    assert_landed(house, held)
    assert house.dispatched == []


@pytest.mark.parametrize(
    ("path", "method", "nth"),
    [
        pytest.param("", "", 0, id="before finalize", marks=sweep),
        pytest.param(
            f"{API}/rules/branches/main", "GET", 1, id="after the tip was read", marks=sweep
        ),
        pytest.param(f"{API}/pulls", "POST", 1, id="while pull requests are opened", marks=sweep),
        pytest.param(f"{GIT}/git-receive-pack", "POST", 2, id="in the push", marks=sweep),
    ],
)
def test_a_target_that_moves_after_the_check_is_checked_again_by_a_round_of_its_own(
    house: House, path: str, method: str, nth: int
) -> None:
    held = verified(ask(house))
    if path:
        meanwhile(house, method, path, lambda: push(house), nth=nth)
    else:
        push(house)
    held.finalize()
    theirs = house.tip()
    assert_untouched(house, theirs)
    assert house.read("theirs.txt") == "theirs\n"
    assert house.read(MEMORY) is None
    assert "Somebody moved `main` while results were checked" in report(house)
    assert "Round 2 is due" in report(house)
    assert "default token" not in report(house)
    assert house.issues("failure") == []
    assert [run.inputs["round"] for run in house.dispatched] == ["2"]

    again = house.follow(house.dispatched[-1]).hold()
    assert (again.outputs["count"], again.outputs["verify"]) == ("0", "true")
    assert theirs in log(house, checked_commit(again))
    assert_landed(house, again)
    assert len(pulls(house)) == 1
    assert len(house.dispatched) == 1


@sweep
@pytest.mark.parametrize(
    ("path", "method"),
    [(f"{API}/labels", "GET"), (f"{API}/issues/1/comments", "POST")],
    ids=["before the labels", "before the report"],
)
def test_what_comes_behind_our_push_stays_and_takes_nothing_from_it(
    house: House, path: str, method: str
) -> None:
    held = verified(ask(house))
    meanwhile(house, method, path, lambda: push(house))
    held.finalize()
    (landed,) = parents(house, house.tip())
    assert_landed(house, held, tip=landed)
    assert house.dispatched == []


@sweep
def test_a_target_that_never_stands_still_gets_one_pull_request_after_three_rounds(
    house: House,
) -> None:
    held = ask(house)
    for number in range(4):
        verified(held)
        push(house, f"theirs{number}")
        held.finalize()
        if number < 3:
            assert house.issues("failure") == []
            held = house.follow(house.dispatched[number])
    theirs = house.tip()
    assert len(house.dispatched) == 3
    assert_untouched(house, theirs)
    house.repository.runs.clear()
    assert_open(house, held, because="the target kept moving while results were checked")

    issue, _ = only_pull(house)
    house.double.merge_pull(house.repository, issue, user=house.eve)
    assert_settled(house, settle_by_person(house, issue))


@pytest.mark.matrix
def test_what_was_taken_out_of_the_targets_history_does_not_come_back(house: House) -> None:
    before, secret = house.tip(), push(house, "secret")
    held = verified(ask(house))
    house.double.git(house.repository).update({"refs/heads/main": (before, secret)})
    held.finalize()
    assert_untouched(house, before)

    again = house.follow(house.dispatched[-1]).hold()
    assert_landed(house, again)
    assert secret not in log(house, house.tip())
    assert house.read("secret.txt") is None


@sweep
def test_a_target_that_is_gone_is_a_clear_stop_and_put_back_it_is_landed_on(house: House) -> None:
    held = verified(ask(house))
    git, tip = house.double.git(house.repository), house.tip()
    git.text("update-ref", "-d", "refs/heads/main")
    with pytest.raises(EnvironmentFault, match="there is no default branch") as told:
        held.finalize()
    assert "put the branch back" in told.value.next_step
    git.update({"refs/heads/main": (tip, None)})
    held.finalize()
    assert_landed(house, held)


@sweep
def test_a_commit_that_somebody_put_on_our_branch_is_kept_and_told_of(house: House) -> None:
    held = verified(ask(house))
    branch = task_branch(held)
    act = lambda: push(house, branch=branch)  # noqa: E731
    meanwhile(house, "POST", f"{GIT}/git-receive-pack", act, nth=2)
    held.finalize()
    assert apple(house, held).state is TaskState.LANDED
    assert carries_memory_alone(house, house.tip(), checked_commit(held))
    assert house.read("theirs.txt", branch=branch) == "theirs\n"
    assert only_pull(house)[0].state == "open"
    assert f"`{branch}` stays" in report(house)
    assert "commits on it that are not ours" in report(house)


@sweep
def test_a_branch_that_somebody_made_before_us_costs_only_the_pull_request(house: House) -> None:
    held = verified(ask(house))
    theirs = occupy(house, held, task_branch(held).rpartition("/")[2])
    held.finalize()
    assert apple(house, held).state is TaskState.LANDED
    assert carries_memory_alone(house, house.tip(), checked_commit(held))
    assert house.tip(task_branch(held)) == theirs
    assert pulls(house) == []
    assert "is not as we left it, so it was left alone" in report(house)
    assert house.repository.issues[1].state == "closed"


@sweep
def test_a_branch_of_ours_that_somebody_deleted_is_made_anew(house: House) -> None:
    held = verified(ask(house))
    push(house)
    held.finalize()
    git = house.double.git(house.repository)
    git.text("update-ref", "-d", f"refs/heads/{task_branch(held)}")
    again = house.follow(house.dispatched[-1]).hold()
    assert again.outputs["count"] == "0"
    assert_landed(house, again)


@sweep
@pytest.mark.parametrize("moved", [False, True])
def test_a_pull_request_that_somebody_opened_from_our_branch_keeps_its_words(
    house: House, moved: bool
) -> None:
    held = verified(ask(house))
    if moved:
        push(house)
        held.finalize()
        open_pull(house, held)
        held = house.follow(house.dispatched[-1]).hold()
    else:
        meanwhile(house, "POST", f"{API}/pulls", lambda: open_pull(house, held))
        held.finalize()
    issue, _ = only_pull(house)
    assert (issue.title, issue.body) == ("Mine", "mine")
    assert_landed(house, held)


@sweep
def test_a_branch_in_the_way_of_the_one_pull_request_waits_for_a_person(house: House) -> None:
    held = verified(ask(house))
    house.double.add_rule(house.repository, "pull_request")
    theirs = occupy(house, held, "landed")
    tip = house.tip()
    held.finalize()
    assert_untouched(house, tip)
    assert house.tip(f"concertmaster/{held.outputs['run']}/landed") == theirs
    assert apple(house, held).fault is Why.STUCK
    assert house.dispatched == []
    assert "must come through a pull request, and it has no branch" in report(house)
    assert "comment `/orchestrate retry`" in report(house)
    assert [one.state for one in house.issues("failure")] == ["open"]
    assert labels(house) == {"concertmaster:failed"}

    git = house.double.git(house.repository)
    git.text("update-ref", "-d", f"refs/heads/concertmaster/{held.outputs['run']}/landed")
    again = house.ask(house.repository.issues[1], "/orchestrate retry").hold()
    assert again.outputs["count"] == "0"
    assert_merged(house, again)
    assert [one.state for one in house.issues("failure")] == ["closed"]
