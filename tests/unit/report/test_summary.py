"""The words for how a run and its tasks stand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from concertmaster.events import CancelRequested, PhaseFinished, TargetMoved
from concertmaster.model import Outcome, Plan, TaskState
from concertmaster.report.merged import update_merged
from concertmaster.report.model import Report
from concertmaster.report.progress_lines import progress_lines
from concertmaster.report.run_end import RunEnd
from concertmaster.report.summary import facts, headline
from concertmaster.run import state_machine
from concertmaster.settings.choices import Phase
from tests import journals
from tests.journals import RUN, START, make_plan, make_task

PLAN = make_plan(tasks=[make_task("one"), make_task("two")])
BRANCH = f"concertmaster/{RUN}/landed"


def report_on(*events: object, plan: Plan = PLAN) -> Report:
    return journals.tell_story(plan, (*journals.begin(), *events))[1]  # type: ignore[arg-type]


def test_a_cancelled_task_did_not_fail_and_a_task_without_change_did_not_succeed() -> None:
    nothing = PhaseFinished(
        task="one", attempt=1, phase=Phase.IMPLEMENT, seconds=1.0, no_op="it is there", at=START + 4
    )
    ended = journals.fail("two", at=6, outcome=Outcome.CANCELLED, reason="cancelled")
    prepared = [journals.succeed(key, at=2)[0] for key in ("one", "two")]
    cancel = CancelRequested(at=START + 5)
    report = report_on(*prepared, nothing, cancel, ended, journals.finish(at=7))

    assert headline(report).endswith("cancelled; 1 nothing to change, 1 cancelled")


def test_a_task_that_never_began_does_not_wait_in_a_cancelled_run() -> None:
    report = report_on(CancelRequested(at=START + 5), journals.finish(at=7))

    assert report.ended is RunEnd.CANCELLED
    assert "waiting" not in headline(report)
    assert "not begun" in headline(report) or "cancelled" in headline(report)


def test_nothing_runs_in_a_run_whose_process_is_gone() -> None:
    report = report_on(journals.succeed("one", at=2)[0])

    assert headline(report).endswith("unfinished; 2 running")
    assert headline(report, is_dead=True) == f"run {RUN} on main: 2 interrupted"


def test_the_headline_says_once_that_all_landed() -> None:
    landed = [journals.land(key, at=at + 3) for at, key in enumerate(("one", "two"))]
    done = [event for key in ("one", "two") for event in journals.succeed(key, at=2)]
    report = report_on(*done, *landed, journals.finish(at=7))

    assert headline(report) == f"run {RUN} on main: 2 landed"


def test_a_run_without_tasks_had_nothing_to_do() -> None:
    events = (*journals.begin(), journals.finish(at=3))
    report = journals.tell_story(replace(PLAN, tasks=(), order=()), events)[1]

    assert headline(report) == f"run {RUN} on main: there was nothing to do"


def test_a_commit_of_the_user_is_not_told_as_a_landing() -> None:
    report = report_on(TargetMoved(tip="d" * 40, at=START + 5), journals.finish(at=9))

    assert report.tip == "d" * 40
    assert "target" not in dict(facts(report))


@pytest.mark.parametrize(
    ("branch", "reason", "words"),
    [
        ("", "", "bbbbbbb..ccccccc on main (one)"),
        (BRANCH, "", f"bbbbbbb..ccccccc on {BRANCH} (one)"),
        (BRANCH, "a.txt has changes", f"bbbbbbb..ccccccc on {BRANCH} (a.txt has changes) (one)"),
    ],
)
def test_a_landing_is_told_without_empty_brackets(branch: str, reason: str, words: str) -> None:
    events = (
        *(*journals.begin(), *journals.succeed("one", at=2)),
        journals.check("one", at=8, passed=True),
    )
    before = state_machine.fold_events(PLAN, events)
    event = journals.land("one", at=9, branch=branch, reason=reason)
    after, _ = state_machine.handle(before, event)

    assert f"landed 1 task: {words}" in [*progress_lines(before, after, event)]


def diverted() -> Report:
    return report_on(
        *journals.succeed("one", at=2),
        journals.check("one", at=8, passed=True),
        journals.land("one", at=9, branch=BRANCH, reason="a.txt has changes"),
        journals.finish(at=10),
        plan=make_plan(tasks=[make_task("one")]),
    )


def test_what_the_user_merged_by_hand_has_landed() -> None:
    before = diverted()
    after = update_merged(before, is_on_target=lambda commit: commit == "c" * 40)

    assert {task.state for task in before.tasks} == {TaskState.AWAITING_MERGE}
    assert {task.state for task in after.tasks} == {TaskState.LANDED}
    assert {task.reason for task in after.tasks} == {"merged into main by hand"}
    assert (after.ended, after.reason) == (RunEnd.LANDED, "")
    assert any(BRANCH in step.command for step in before.next_steps)
    assert not any(BRANCH in step.command for step in after.next_steps)


def test_what_is_not_on_the_target_still_awaits_its_merge() -> None:
    assert update_merged(diverted(), is_on_target=lambda _: False) == diverted()
