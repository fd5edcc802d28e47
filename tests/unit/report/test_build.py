from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from dataclasses import asdict, replace

import pytest

from concertmaster.engine.journal import dump_event, load_event
from concertmaster.events import (
    BaseChecked,
    CancelRequested,
    Event,
    PauseEnded,
    PhaseFinished,
    RunResumed,
    TargetMoved,
)
from concertmaster.model import Built, Outcome, Plan, TaskState, Usage
from concertmaster.report.build import build_report
from concertmaster.report.html import render_report
from concertmaster.report.model import Report
from concertmaster.report.run_end import RunEnd, exit_code
from concertmaster.report.summary import facts, headline, phase_rows
from concertmaster.settings.choices import LandingMode, Phase
from tests import journals
from tests.journals import RUN, START, make_plan, make_task

ONE = make_plan(tasks=[make_task("one")])
BRANCH = f"concertmaster/{RUN}/one"
LANDED_BRANCH = f"concertmaster/{RUN}/landed"


def report_on(events: Iterable[Event], plan: Plan = ONE) -> Report:
    return journals.tell_story(plan, events)[1]


def commands(report: Report) -> list[str]:
    return [step.command for step in report.next_steps]


def test_a_run_whose_every_task_landed_ends_well() -> None:
    report = report_on(
        (
            *journals.begin(),
            *journals.succeed("one", at=2),
            journals.check("one", at=8, passed=True),
            journals.land("one", at=9),
            journals.finish(at=10),
        )
    )

    assert (report.ended, report.reason, exit_code(report.ended)) == (RunEnd.LANDED, "", 0)
    assert report.tip == "c" * 40
    assert [row.tasks for row in report.landed] == [("one",)]
    assert report.next_steps == ()


def test_the_pauses_of_usage_limits_are_told_each_once() -> None:
    limited = [
        journals.fail("one", at=at, outcome=Outcome.LIMITED, reason="usage limit") for at in (5, 20)
    ]
    report = report_on(
        (
            *(*journals.begin(), limited[0]),
            PauseEnded(at=START + 10),  # the later of the two limits has not ended yet
            PauseEnded(at=START + 15),
            limited[1],
            PauseEnded(at=START + 23),
        )
    )

    found = [(one.started_at - START, one.ended_at - START) for one in report.limits]
    assert found == [(5, 15), (20, 23)]
    assert dict(facts(report))["usage limits"] == "2 pauses, 13.0s in all; no attempt was spent"


def test_the_report_is_plain_json() -> None:
    report = report_on(journals.one_lands_two_breaks_the_check(), make_plan())

    told = json.loads(json.dumps(asdict(report)))

    assert told["ended"] == "incomplete"
    assert told["tasks"][0]["attempts"][0]["phases"][1]["phase"] == "implement"
    assert told["tasks"][0]["footprint"][0]["path"] == "src/a.py"


def test_each_task_has_a_row_with_its_attempts_and_logs() -> None:
    report = report_on(journals.one_lands_two_breaks_the_check(), make_plan())

    rows = {row.id: row for row in report.tasks}
    assert [row.state for row in report.tasks] == [
        TaskState.LANDED,
        TaskState.LEFT_OUT,
        TaskState.SUCCEEDED,
    ]
    assert rows["two"].branch == f"concertmaster/{RUN}/two"
    assert "test_colour fails" in rows["two"].reason
    attempt = rows["two"].attempts[0]
    assert attempt.transcript == "tasks/two/1/transcript.jsonl"
    assert attempt.check_log == "tasks/two/1/check.log"
    assert rows["three"].attempts[0].no_op == "it is there already"
    assert rows["three"].attempts[0].built_on == ()


def test_what_an_attempt_was_built_on_is_told() -> None:
    built = journals.succeed("three", at=8, built_on=(Built(task="one", head="one-deliver"),))
    events = (*journals.begin(), *journals.succeed("one", at=2), *built)

    row = report_on(events, make_plan()).tasks[2]

    assert [item.task for item in row.attempts[0].built_on] == ["one"]


def test_work_that_did_not_land_comes_with_the_command_that_shows_it() -> None:
    report = report_on(journals.one_lands_two_breaks_the_check(), make_plan())

    assert (report.ended, exit_code(report.ended)) == (RunEnd.INCOMPLETE, 1)
    texts = [step.text for step in report.next_steps]
    assert f"two: its work is on branch concertmaster/{RUN}/two" in texts
    assert f"git diff two-prepare concertmaster/{RUN}/two" in commands(report)


def test_sensitive_paths_are_named_once_they_landed() -> None:
    events = journals.one_lands_two_breaks_the_check()

    landed, before = report_on(events, make_plan()), report_on(events[:6], make_plan())

    assert [(s.task, s.paths) for s in landed.sensitive] == [("one", ("Makefile",))]
    assert any("Makefile" in step.text for step in landed.next_steps)
    assert before.sensitive == ()


def test_a_sensitive_path_that_two_tasks_changed_is_named_once() -> None:
    events = (
        *journals.begin(),
        *journals.succeed("one", at=2, sensitive=("Makefile",)),
        journals.check("one", at=7, passed=True),
        journals.land("one", at=8),
        *journals.succeed("two", at=9, sensitive=("Makefile", "setup.py")),
        journals.check("two", at=14, passed=True),
        journals.land("two", at=15),
    )
    steps = [step.text for step in report_on(events, make_plan()).next_steps]
    assert "look at what landed in Makefile, setup.py: it defines the check" in " ".join(steps)


def test_times_are_measured() -> None:
    report = report_on(journals.one_lands_two_breaks_the_check(), make_plan())

    assert report.wall_seconds == pytest.approx(22.0)
    assert report.work_seconds == pytest.approx(4.0 + 6.0 + 2.0)
    assert report.concurrency == pytest.approx(12.0 / 22.0)
    assert report.estimate.makespan_seconds == 120.0


def test_the_pause_between_two_processes_is_no_part_of_the_time() -> None:
    resumed = RunResumed(at=START + 5000)
    report = report_on(
        (
            *journals.begin(),
            *journals.succeed("one", at=2)[:2],
            resumed,
            *journals.succeed("one", at=5000)[2:],
        )
    )

    assert report.wall_seconds == pytest.approx(4.0 + 4.0)
    assert report.work_seconds == pytest.approx(4.0)
    assert [(p.started_at, p.ended_at) for p in report.pauses] == [(START + 4, START + 5000)]


def test_a_run_that_did_no_work_has_no_concurrency() -> None:
    assert report_on((*journals.begin(), journals.finish(at=3))).concurrency is None
    assert report_on(()).concurrency is None


def test_failed_phases_count_as_work_and_cost() -> None:
    broken = replace(journals.fail("one", at=5), usage=Usage(cost_usd=0.5, input_tokens=7))
    events = (*journals.begin(), journals.succeed("one", at=2)[0], broken)

    report = report_on(events)

    assert report.work_seconds == pytest.approx(2.0)
    assert (report.cost_usd, report.input_tokens) == (0.5, 7)
    phases = report.tasks[0].attempts[0].phases
    assert [(row.phase, row.finished) for row in phases] == [
        (Phase.PREPARE, True),
        (Phase.IMPLEMENT, False),
    ]


def test_cost_is_unknown_where_no_agent_told_any() -> None:
    told = report_on((*journals.begin(), *journals.succeed("one", at=2, cost=0.0)))
    untold = report_on((*journals.begin(), *journals.succeed("one", at=2)))

    assert (told.cost_usd, untold.cost_usd) == (0.0, None)
    assert "cost" not in dict(facts(untold))


def test_checks_that_ran_are_told_from_those_that_were_known() -> None:
    checks = report_on(journals.one_lands_two_breaks_the_check(), make_plan()).checks

    assert (checks.ran, checks.cached) == (3, 1)
    assert checks.seconds == pytest.approx(6.0)
    assert checks.base_seconds == pytest.approx(2.0)
    assert [row.passed for row in checks.rows] == [True, False, False, False]


def test_a_check_that_failed_and_then_passed_is_reported_as_flaky() -> None:
    report = report_on(
        (
            *journals.begin(),
            *journals.succeed("one", at=2),
            journals.check("one", at=8, passed=False),
            journals.check("one", at=10, passed=True),
            journals.land("one", at=11),
            journals.finish(at=12),
        )
    )

    assert report.flaky == ("one",)
    assert "one" in dict(facts(report))["flaky"]
    assert exit_code(report.ended) == 0


def test_a_red_base_is_the_users_to_mend() -> None:
    report = report_on((*journals.begin(red="2 tests fail"), journals.finish(at=3)))

    assert (report.ended, report.reason) == (RunEnd.BASE_IS_RED, "2 tests fail")
    assert exit_code(report.ended) == 3
    assert commands(report) == ["make check", f"concertmaster retry --run {RUN}"]
    first, then = (step.text for step in report.next_steps)
    assert first == "make the check pass on main"
    assert then == "then start again; --check names another check, if this one is wrong"
    assert headline(report).endswith(": base is red (2 tests fail); 1 not begun")


def test_a_run_that_was_stopped_says_how_to_go_on() -> None:
    limited = journals.fail("one", at=5, outcome=Outcome.LIMITED, reason="usage limit until 5 pm")
    events = (*journals.begin(), journals.succeed("one", at=2)[0], limited, journals.finish(at=6))

    report = report_on(events)

    assert (report.ended, report.reason) == (RunEnd.STOPPED, "usage limit until 5 pm")
    assert exit_code(report.ended) == 4
    assert commands(report) == [f"concertmaster resume {RUN}"]


def test_a_used_up_budget_says_to_raise_it() -> None:
    plan = make_plan(tasks=[make_task("one"), make_task("two")], budget=1.0)
    events = (
        *journals.begin(),
        *journals.succeed("one", at=2, cost=1.5)[:2],
        journals.finish(at=9),
    )

    report = report_on(events, plan)

    assert (report.ended, exit_code(report.ended)) == (RunEnd.STOPPED, 4)
    assert commands(report) == [f"concertmaster resume {RUN} --budget 3"]


def test_a_budget_used_up_by_the_last_task_stopped_nothing() -> None:
    plan = make_plan(tasks=[make_task("one")], budget=1.0)
    events = (
        *journals.begin(),
        *journals.succeed("one", at=2, cost=1.0)[:3],
        RunResumed(budget_usd=1.0, at=START + 6),
        journals.succeed("one", at=6)[3],
        journals.check("one", at=12, passed=True),
        journals.land("one", at=13),
        journals.finish(at=14),
    )

    report = report_on(events, plan)

    assert (report.ended, exit_code(report.ended)) == (RunEnd.LANDED, 0)


def test_a_run_without_its_last_word_is_unfinished() -> None:
    report = report_on((*journals.begin(), *journals.succeed("one", at=2)[:2]))

    assert (report.ended, exit_code(report.ended)) == (RunEnd.UNFINISHED, 1)
    assert commands(report) == [f"concertmaster resume {RUN}"]
    assert report.tasks[0].attempts[0].outcome is None


def test_a_cancelled_run_says_so() -> None:
    cancelled = journals.fail("one", at=5, outcome=Outcome.CANCELLED, saved="one-saved")
    report = report_on(
        (
            *journals.begin(),
            journals.succeed("one", at=2)[0],
            CancelRequested(at=START + 4),
            cancelled,
            journals.keep("one", at=6),
            journals.finish(at=7),
        )
    )

    assert (report.ended, exit_code(report.ended)) == (RunEnd.CANCELLED, 1)
    assert commands(report) == [
        f"concertmaster retry --run {RUN}",
        f"git diff one-prepare {BRANCH}",
    ]


def test_a_diverted_landing_comes_with_the_command_that_completes_it() -> None:
    report = report_on(
        (
            *journals.begin(),
            *journals.succeed("one", at=2),
            journals.check("one", at=8, passed=True),
            journals.land("one", at=9, branch=LANDED_BRANCH, reason="a.txt has changes"),
            journals.finish(at=10),
        )
    )

    assert report.tasks[0].state is TaskState.AWAITING_MERGE
    assert report.tip == "b" * 40
    assert exit_code(report.ended) == 1
    assert commands(report) == [f"git merge --ff-only {LANDED_BRANCH}"]
    assert "a.txt has changes" in headline(report)


def test_the_tip_is_where_somebody_else_moved_the_target() -> None:
    moved = TargetMoved(tip="d" * 40, at=START + 9)

    assert report_on((*journals.begin(), moved)).tip == "d" * 40


def test_landing_on_branches_is_done_when_each_task_succeeded() -> None:
    plan = make_plan(tasks=[make_task("one")], landing=LandingMode.BRANCHES)
    events = (*journals.begin(), *journals.succeed("one", at=2), journals.keep("one", at=7))

    report = report_on((*events, journals.finish(at=8)), plan)

    assert (report.ended, exit_code(report.ended)) == (RunEnd.LANDED, 0)
    assert commands(report) == [f"git diff one-prepare {BRANCH}"]


def test_without_landing_the_work_can_be_fetched_from_the_run() -> None:
    plan = make_plan(tasks=[make_task("one")], landing=LandingMode.NONE)
    events = (*journals.begin(), *journals.succeed("one", at=2), journals.finish(at=8))

    report = report_on(events, plan)

    assert exit_code(report.ended) == 0
    assert commands(report)[0].endswith('/repository.git" one-deliver')


def test_work_that_could_not_be_saved_is_pointed_at() -> None:
    unsaved = replace(journals.fail("one", at=5, outcome=Outcome.REFUSED), unsaved=True)
    events = (*journals.begin(), journals.succeed("one", at=2)[0], unsaved, journals.finish(at=6))

    assert commands(report_on(events)) == [f"concertmaster retry --run {RUN}", "cd /srv/one"]


def test_commands_are_safe_to_paste() -> None:
    plan = replace(ONE, target="main;reboot", run="$(reboot)")
    events = (*journals.begin(), *journals.succeed("one", at=2)[:1])

    assert [shlex.split(c)[-1] for c in commands(report_on(events, plan))] == ["$(reboot)"]


def test_a_run_without_tasks_ends_well() -> None:
    plan = replace(make_plan(), tasks=(), order=(), needs=(), exclusions=())

    report = report_on((*journals.begin(), journals.finish(at=3)), plan)

    assert (report.ended, exit_code(report.ended)) == (RunEnd.LANDED, 0)
    assert [skipped.prompt for skipped in report.skipped] == ["prompts/old.md"]


def test_a_run_of_which_nothing_is_known_yet_has_a_report() -> None:
    state, _ = journals.tell_story(ONE, ())

    report = build_report(state, ())

    assert (report.ended, report.tip, report.wall_seconds) == (RunEnd.UNFINISHED, "b" * 40, 0)


def test_follow_ups_are_drafts_with_the_command_that_starts_one() -> None:
    stated = ("Use one clock.", "Mend the parser.")
    events = (*journals.begin(), *journals.succeed("one", at=2, follow_ups=stated))

    assert not any("follow-ups/" in command for command in commands(report_on(events)))

    report = report_on((*events, journals.finish(at=9)))  # drafts are files only now

    assert [draft.title for draft in report.follow_ups] == [*stated]
    (command,) = (command for command in commands(report) if "follow-ups/" in command)
    assert command.startswith("concertmaster run ")
    assert f'/runs/{RUN}/follow-ups/{report.follow_ups[0].file}"' in command


def test_a_failed_attempt_has_its_follow_ups_as_well() -> None:
    failing = fail_after_implementing("one", follow_ups=("Use one clock.",))
    again = journals.succeed("one", at=9, attempt=2, follow_ups=("Use one clock.",))

    report = report_on((*journals.begin(), *failing, *again))

    assert [draft.title for draft in report.follow_ups] == ["Use one clock."]


def fail_after_implementing(task: str, *, follow_ups: tuple[str, ...]) -> tuple[Event, ...]:
    done = journals.succeed(task, at=2, follow_ups=follow_ups)[:2]
    return (*done, replace(journals.fail(task, at=6), phase=Phase.TEST))


def test_each_phase_has_a_total_over_the_run() -> None:
    one, two = (
        journals.succeed("one", at=2, cost=0.5),
        journals.succeed("two", at=2, cost=0.25, estimated=True),
    )
    failed = replace(journals.fail("three", at=5), usage=Usage(cost_usd=0.25))
    begun = journals.succeed("three", at=2)[0]

    report = report_on((*journals.begin(), *one, *two, begun, failed), make_plan())

    totals = {total.phase: total for total in report.phases}
    assert [*totals] == [Phase.PREPARE, Phase.IMPLEMENT, Phase.TEST, Phase.DELIVER]
    implement = totals[Phase.IMPLEMENT]
    assert (implement.times, implement.passed, implement.seconds) == (3, 2, 3.0)
    assert implement.usage == Usage(
        cost_usd=1.0, input_tokens=2400, output_tokens=20, is_estimated=True
    )
    assert totals[Phase.TEST].usage == Usage()
    assert sum(total.seconds for total in report.phases) == pytest.approx(report.work_seconds)


def test_an_estimated_cost_says_so() -> None:
    events = (*journals.begin(), *journals.succeed("one", at=2, cost=0.123, estimated=True))

    told = dict(facts(report_on(events)))

    assert told["cost"] == "~$0.12"
    assert told["by phase"] == "implement ~$0.12"


def test_nothing_is_called_running_in_a_run_that_stopped() -> None:
    spent = journals.fail("one", at=4, outcome=Outcome.OVER_BUDGET, reason="spent")
    plan = make_plan(tasks=[make_task("one"), make_task("two")])
    begun = (*journals.begin(), journals.succeed("one", at=2)[0], journals.succeed("two", at=2)[0])
    report = report_on((*begun, spent, journals.finish(at=9)), plan)

    assert report.ended is RunEnd.STOPPED
    assert headline(report_on(begun, plan)).endswith("; 2 running")
    assert headline(report).endswith("; 1 waiting, 1 begun")
    assert "running</td>" not in render_report(report)


def test_a_run_that_checked_nothing_tells_of_no_checks() -> None:
    assert "checks" not in dict(facts(report_on(journals.begin()[:1])))
    assert dict(facts(report_on(journals.begin())))["checks"] == "the base's took 2.0s"


def test_what_landed_nowhere_is_not_called_landed() -> None:
    plan = make_plan(tasks=[make_task("one")], landing=LandingMode.NONE)
    events = (*journals.begin(), *journals.succeed("one", at=2), journals.finish(at=8))

    assert headline(report_on(events, plan)) == f"run {RUN}: 1 succeeded"


def test_what_a_setup_took_is_told_for_each_phase_for_the_checks_and_for_the_base() -> None:
    started, base = journals.begin()
    assert isinstance(base, BaseChecked)
    prepare, *others = journals.succeed("one", at=2, seconds=1.0)
    assert isinstance(prepare, PhaseFinished)
    events = (
        started,
        replace(base, setup_seconds=1.5, notes=("caches are not shared",)),
        replace(prepare, setup_seconds=0.75),
        *others,
        replace(journals.check("one", at=8, passed=True), setup_seconds=0.5),
    )

    report = report_on(events)

    rows = report.tasks[0].attempts[0].phases
    assert [row.setup_seconds for row in rows] == [0.75, 0.0, 0.0, 0.0]
    assert report.phases[0].setup_seconds == 0.75
    assert (
        "1 ran in 2.0s (setup 0.5s); the base's took 2.0s (setup 1.5s)"
        in dict(facts(report)).values()
    )
    assert next(phase_rows(report))[3] == "1.0s (setup 0.8s)"
    assert '1.0s <span class="soft">(setup 0.8s)</span>' in render_report(report)
    assert report.notes == (*ONE.notes, "caches are not shared")


def test_a_journal_from_before_setups_were_timed_still_reads() -> None:
    check = journals.check("one", at=8, passed=True)
    for event in (*journals.begin(), *journals.succeed("one", at=2), check):
        fields = json.loads(dump_event(event))
        for new in ("setup_seconds", "notes"):
            fields.pop(new, None)
        assert load_event(json.dumps(fields).encode()) == event
