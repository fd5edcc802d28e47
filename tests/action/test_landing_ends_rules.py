"""Tests how landing ends when rules of the target or the repository forbid parts of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from concertmaster.model import TaskState
from tests.action.landing_ends import (
    API,
    apple,
    ask,
    assert_landed,
    assert_merged,
    assert_open,
    assert_settled,
    assert_untouched,
    build_house,
    log,
    meanwhile,
    only_pull,
    pulls,
    push,
    report,
    settle_by_person,
    task_branch,
    verified,
)
from tests.action.rounds import House
from tests.github import merging
from tests.github.double import Double
from tests.github.faults import Effect, Fault
from tests.github.gatekeeper import DEFAULT_PARAMETERS
from tests.github.people import Token
from tests.github.state import MergeRequest, Pull, Review

sweep = pytest.mark.matrix
REVIEW = {**DEFAULT_PARAMETERS["pull_request"], "required_approving_review_count": 1}
CHECKS = {
    "required_status_checks": [{"context": "ci"}],
    "strict_required_status_checks_policy": False,
}


@pytest.fixture
def house(double: Double, tmp_path: Path) -> House:
    return build_house(double, tmp_path)


@pytest.mark.parametrize(
    "rule",
    [
        "pull_request",
        pytest.param("update", marks=sweep),
    ],
)
def test_where_rules_forbid_the_push_one_pull_request_is_merged_with_the_tested_commit(
    house: House, rule: str
) -> None:
    house.double.add_rule(house.repository, rule)
    held = ask(house).hold()
    assert_merged(house, held)
    assert_settled(house, held)
    (asked,) = house.repository.merge_requests
    assert asked.head == only_pull(house)[1].head_commit
    assert house.dispatched == []


@pytest.mark.parametrize(
    "shape", [pytest.param(shape, marks=sweep) for shape in ("linear", "squash", "merge")]
)
def test_a_target_that_must_be_linear_is_pushed_to_where_the_history_is(
    double: Double, tmp_path: Path, shape: str
) -> None:
    house = build_house(double, tmp_path, history=shape)
    house.double.add_rule(house.repository, "required_linear_history")
    held = ask(house).hold()
    if shape == "merge":
        assert_merged(house, held, "merge")
        return
    assert_landed(house, held)
    assert house.repository.merge_requests == []


@sweep
@pytest.mark.parametrize("shape", ["merge", "linear"])
def test_a_protection_that_only_the_push_meets_ends_the_same(
    double: Double, tmp_path: Path, shape: str
) -> None:
    house = build_house(double, tmp_path, history=shape)
    house.double.add_rule(house.repository, "pull_request")
    hidden = Fault(effect=Effect.NOT_FOUND, method="GET", path=f"{API}/rules/branches/*")
    house.double.fail(hidden)
    held = ask(house).hold()
    whole = [issue for issue, pull in pulls(house) if pull.head.endswith("/landed")]
    merged = [issue for issue, pull in pulls(house) if pull.merged_at]
    # GitHub marks the pull request of the task as merged only where its commit was kept.
    assert merged == (whole if shape == "linear" else [issue for issue, _ in pulls(house)])
    assert {issue.state for issue, _ in pulls(house)} == {"closed"}
    assert house.branches() == ["state"]
    assert "stays" not in report(house)
    assert [issue.number for issue in whole] == [apple(house, held).pull]
    assert "Changes must be made through a pull request" in (whole[0].body or "")
    assert "Memory.md` could not" not in report(house)


@sweep
def test_a_protection_that_only_the_push_meets_leaves_one_pull_request_open(house: House) -> None:
    house.double.add_rule(house.repository, "pull_request", parameters=REVIEW)
    hidden = Fault(effect=Effect.NOT_FOUND, method="GET", path=f"{API}/rules/branches/*")
    house.double.fail(hidden)
    held = ask(house).hold()
    assert [issue.number for issue, _ in pulls(house) if issue.state == "open"] == [
        apple(house, held).pull
    ]
    assert house.branches() == ["landed", "state"]


@sweep
@pytest.mark.parametrize("auto", [False, True])
@pytest.mark.parametrize(
    ("rule", "parameters", "missing"),
    [
        ("pull_request", REVIEW, "At least 1 approving review is required"),
        ("required_status_checks", CHECKS, 'Required status check "ci" is expected'),
    ],
)
def test_what_rules_still_want_leaves_it_open_or_to_auto_merge(
    house: House, auto: bool, rule: str, parameters: Any, missing: str
) -> None:
    house.repository.allow_auto_merge = auto
    house.double.add_rule(house.repository, rule, parameters=parameters)
    tip = house.tip()
    held = ask(house).hold()
    assert_untouched(house, tip)
    assert_open(house, held, because="GitHub merges it by itself" if auto else missing)
    issue, pull = only_pull(house)
    assert (pull.auto_merge is not None) is auto
    if auto and rule == "pull_request":
        approve(house, pull)
        assert issue.state == "closed"
        again = settle_by_person(house, issue)
        assert_settled(house, again)


def approve(house: House, pull: Pull) -> None:
    """Approve the pull request; GitHub merges it if that was the last thing missing."""
    review = Review(
        id=house.double.store.new_id(),
        user=house.eve,
        body="",
        state="APPROVED",
        commit=pull.head_commit,
        submitted_at=house.double.clock.now(),
    )
    pull.reviews.append(review)
    merging.do_what_is_due(house.double.store, house.repository)


@sweep
def test_a_merge_queue_gets_it_and_the_run_settles_behind_it(house: House) -> None:
    house.double.add_rule(house.repository, "merge_queue")
    held = ask(house).hold()
    one = apple(house, held)
    assert one.state is TaskState.AWAITING_MERGE
    assert "it is in the merge queue" in report(house)
    merging.do_what_is_due(house.double.store, house.repository)
    issue, pull = only_pull(house)
    assert pull.merged_at
    again = settle_by_person(house, issue)
    assert_settled(house, again)


@sweep
def test_a_merge_that_takes_its_time_is_waited_for(house: House) -> None:
    house.double.add_rule(house.repository, "pull_request")
    house.double.store.calls_before_merge = 4
    held = ask(house).hold()
    assert_merged(house, held)


@sweep
def test_a_merge_that_does_not_come_is_left_to_github(house: House) -> None:
    house.double.add_rule(house.repository, "pull_request")
    house.double.store.calls_before_merge = 1000
    tip = house.tip()
    held = ask(house).hold()
    assert_untouched(house, tip)
    assert_open(house, held, because="GitHub merges it by itself when nothing is in the way")
    (asked,) = house.repository.merge_requests
    asked.calls_left = 0
    house.double.store.calls_before_merge = 1
    issue, pull = only_pull(house)
    merging.merge(
        house.double.store,
        house.repository,
        issue=issue,
        pull=pull,
        token=asked.token,
        wish=merging.Wish(head=asked.head),
    )
    asked.status = "merged"
    assert_settled(house, settle_by_person(house, issue))


@sweep
@pytest.mark.parametrize("method", ["merge", "squash"])
def test_another_wish_to_merge_is_waited_for_like_our_own(house: House, method: str) -> None:
    house.double.add_rule(house.repository, "pull_request")
    held = verified(ask(house))

    def wish() -> None:
        issue, pull = only_pull(house)
        asked = MergeRequest(
            uuid="11111111-1111-4111-8111-111111111111",
            number=issue.number,
            token=Token(value="", user=house.eve),
            head=pull.head_commit,
            method=method,
            action="default",
            calls_left=3,
        )
        house.repository.merge_requests.append(asked)

    meanwhile(house, "PUT", f"{API}/pulls/*/merge-async", wish)
    held.finalize()
    assert len(house.repository.merge_requests) == 1
    assert_merged(house, held, method)
    assert apple(house, held).landed_as in log(house, house.tip())


@sweep
def test_a_head_that_somebody_moves_before_the_merge_is_not_merged(house: House) -> None:
    house.double.add_rule(house.repository, "pull_request")
    held = verified(ask(house))
    tip = house.tip()
    act = lambda: push(house, branch=only_pull(house)[1].head)  # noqa: E731
    meanwhile(house, "PUT", f"{API}/pulls/*/merge-async", act)
    held.finalize()
    assert_untouched(house, tip)
    assert apple(house, held).state is TaskState.AWAITING_MERGE
    assert "somebody changed its branch, so it is not what was checked" in report(house)


@sweep
def test_where_no_pull_request_may_be_opened_a_push_lands_and_shows_compare_links(
    house: House,
) -> None:
    house.repository.allow_pulls_by_actions = False
    held = ask(house).hold()
    assert_landed(house, held)
    assert pulls(house) == []
    assert f"/compare/main...{task_branch(held)}" in report(house)
    assert "not permitted to create" in report(house)


@sweep
def test_where_neither_push_nor_pull_request_is_allowed_a_person_may_allow_it_and_retry(
    house: House,
) -> None:
    house.repository.allow_pulls_by_actions = False
    house.double.add_rule(house.repository, "pull_request")
    tip = house.tip()
    held = ask(house).hold()
    assert_untouched(house, tip)
    run = held.outputs["run"]
    assert f"/compare/main...concertmaster/{run}/landed" in report(house)
    assert "must come through a pull request, and none could be opened" in report(house)
    assert "landed" in house.branches()
    assert house.dispatched == []
    assert [one.state for one in house.issues("failure")] == ["open"]

    house.repository.allow_pulls_by_actions = True
    again = house.ask(house.repository.issues[1], "/orchestrate retry").hold()
    assert again.outputs["count"] == "0"
    assert_merged(house, again)
    assert [one.state for one in house.issues("failure")] == ["closed"]
