"""RunPoller reads the state of a run with few calls, also when GitHub fails for a while."""

from __future__ import annotations

import pytest

from concertmaster.errors import EnvironmentFault
from tests.action.watching import Stage, standings
from tests.action.workflow import BentClock
from tests.github.faults import Effect, Fault
from tests.github.limits import Allowance

pytest_plugins = ["tests.action.watch_fixtures"]


def test_tasks_are_seen_with_their_issues_and_the_jobs_of_their_shares(stage: Stage) -> None:
    view = stage.open().look()

    assert [task.title for task in view.tasks] == [one.title for one in stage.children]
    assert [task.number for task in view.tasks] == [one.number for one in stage.children]
    assert standings(view) == ["running"] * 3
    assert {task.job for task in view.tasks} == {"in progress", "queued"}
    pear, plum = view.tasks[1:]
    assert pear.share == plum.share, "plum needs pear"
    assert view.jobs == (("orchestrate / plan", "success"),)
    assert view.run.startswith(f"i{stage.parent.number}-c")
    assert not view.is_over


def test_an_issue_without_a_run_is_told_so(stage: Stage) -> None:
    other = stage.double.open_issue(stage.repository, user=stage.user, title="Vegetables")
    view = stage.open(issue=other.number).look()
    assert (view.run, view.tasks, view.is_over) == ("", (), False)


def test_a_strangers_plan_and_a_strangers_issue_are_not_ours(stage: Stage) -> None:
    mallory = stage.double.add_user("Mallory")
    ours = next(one for one in stage.parent.comments if "kind=plan" in one.body)
    forged = ours.body.replace("run=", "run=forged-")
    stage.double.comment(stage.repository, stage.parent, user=mallory, body=forged)
    body = (stage.children[0].body or "").replace("task=", "task=forged-")
    stage.double.open_issue(stage.repository, user=mallory, title="Forged", body=body)

    view = stage.open().look()

    assert not view.run.startswith("forged")
    assert "Forged" not in [task.title for task in view.tasks]


# Cost


def test_what_has_not_changed_costs_no_call_of_the_limit(stage: Stage) -> None:
    watch = stage.open()
    first = watch.look()
    used = stage.used()
    assert used > 0
    stage.double.log.clear()

    for _ in range(20):
        assert watch.look() == first

    assert stage.used() == used
    assert stage.double.log.cost() == 0
    assert {call.status for call in stage.double.log} == {304}
    assert not any(call.is_write for call in stage.double.log)


def test_a_changed_label_costs_one_call_and_is_seen(stage: Stage) -> None:
    watch = stage.open()
    watch.look()
    stage.double.log.clear()

    stage.label(stage.children[1], "landed")

    assert standings(watch.look()) == ["running", "landed", "running"]
    assert stage.double.log.cost() == 1
    assert standings(watch.look()) == ["running", "landed", "running"]
    assert stage.double.log.cost() == 1


def test_a_list_that_changes_back_is_seen_to_change_back(stage: Stage) -> None:
    watch = stage.open()
    for standing in ("queued", "running", "queued", "queued", "running"):
        stage.label(stage.children[0], standing)
        assert standings(watch.look())[0] == standing


def test_a_change_behind_the_first_page_is_seen(stage: Stage) -> None:
    for _ in range(120):
        stage.double.comment(stage.repository, stage.parent, user=stage.user, body="me too")
    bot = stage.double.store.actions_app.bot
    watch = stage.open()
    run = watch.look().run

    text = f"<!-- concertmaster run={run} kind=report -->\nDone"
    written = stage.double.comment(stage.repository, stage.parent, user=bot, body="…")
    watch.look()
    stage.double.log.clear()
    written.body = text

    assert watch.look().report.endswith(f"#issuecomment-{written.id}")
    assert stage.double.log.cost() == 1


# Faults


def test_a_deleted_issue_is_missing_and_the_watch_goes_on(stage: Stage) -> None:
    watch = stage.open()
    watch.look()
    gone = stage.children[2]
    with stage.double.store.lock:
        del stage.repository.issues[gone.number]

    view = watch.look()

    assert standings(view) == ["running", "running", "missing"]
    assert (view.tasks[2].number, view.is_over) == (gone.number, False)


def test_a_parent_that_is_not_there_ends_the_watch(stage: Stage) -> None:
    with pytest.raises(EnvironmentFault, match="404") as caught:
        stage.open(issue=4711).look()
    assert "ada/opera" in caught.value.next_step


def test_a_token_that_is_not_valid_ends_the_watch(stage: Stage) -> None:
    with pytest.raises(EnvironmentFault, match="401"):
        stage.open(token="ghp_nobody").look()


def test_a_server_without_sub_issues_is_read_by_label(stage: Stage) -> None:
    before = stage.open().look()
    stage.double.fail(Fault(effect=Effect.NOT_FOUND, path="*/sub_issues"))
    watch = stage.open()
    stage.double.log.clear()

    assert watch.look() == watch.look() == before
    assert len(stage.double.log.matching(path="*/sub_issues")) == 1


def test_jobs_that_the_token_may_not_see_are_left_out(stage: Stage) -> None:
    stage.repository.private = True
    token = stage.double.workflow_token(stage.repository, {"issues": "read"})
    watch = stage.open(token=token)

    views = [watch.look(), watch.look()]

    assert {task.job for view in views for task in view.tasks} == {""}
    assert standings(views[1]) == ["running"] * 3
    jobs = [call for call in stage.double.log.matching(path="*/jobs") if call.token == token]
    assert len(jobs) == 1


@pytest.mark.parametrize(
    "path", ["*/issues/?", "*/comments", "*/sub_issues", "*/jobs", "*/rate_limit"]
)
@pytest.mark.parametrize("effect", [Effect.SECONDARY_LIMIT, Effect.TOO_MANY_REQUESTS])
def test_a_limit_is_waited_for_as_long_as_github_asks(
    stage: Stage, path: str, effect: Effect
) -> None:
    clock = BentClock(stage.double.clock)
    watch = stage.open(clock=clock)
    before = watch.look()
    stage.double.fail(Fault(effect=effect, path=path, nth=1, retry_after_seconds=90))

    assert watch.look() == before

    assert clock.slept == ([] if path == "*/rate_limit" else [90.0])
    assert len(stage.said) == len(clock.slept)
    assert all("1m 30s" in text for text in stage.said)


def test_an_hour_that_is_used_up_is_waited_for(stage: Stage) -> None:
    stage.double.limits.allowance = Allowance(user_per_hour=2)
    clock = BentClock(stage.double.clock)

    assert standings(stage.open(clock=clock).look()) == ["running"] * 3

    assert all(3000 < seconds <= 3660 for seconds in clock.slept)
    assert 1 <= len(clock.slept) <= 3


@pytest.mark.parametrize(
    "effect", [Effect.BAD_GATEWAY_BEFORE, Effect.BAD_GATEWAY_AFTER, Effect.DROP_AFTER]
)
@pytest.mark.parametrize("path", ["*/issues/?", "*/sub_issues", "*/jobs"])
def test_a_bad_moment_of_github_is_no_end(stage: Stage, effect: Effect, path: str) -> None:
    watch = stage.open(clock=BentClock(stage.double.clock))
    watch.look()
    stage.label(stage.children[0], "landed")
    stage.double.fail(Fault(effect=effect, path=path, nth=1))

    assert standings(watch.look()) == ["landed", "running", "running"]


def test_a_github_that_stays_away_is_an_error_in_the_end(stage: Stage) -> None:
    clock = BentClock(stage.double.clock)
    stage.double.fail(Fault(effect=Effect.BAD_GATEWAY_BEFORE, path="*"))

    with pytest.raises(EnvironmentFault, match="3 times in a row"):
        stage.open(clock=clock, tries=3).look()
    assert clock.slept == [2.0, 4.0]
