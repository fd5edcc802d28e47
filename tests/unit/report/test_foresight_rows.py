"""Tests how predictions are compared with what tasks changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from concertmaster.events import Event, FootprintObserved
from concertmaster.model import Built, FootprintEntry, Plan, Sighting, Task
from concertmaster.report.foresight_rows import ForesightRow, MissedCollision
from concertmaster.report.html import render_report
from concertmaster.report.model import Report
from concertmaster.report.notice_lines import foresight_rows
from concertmaster.report.summary import facts
from concertmaster.settings.choices import Phase
from tests import journals
from tests.journals import HOSTILE, make_plan, make_task


def vague(task: Task, *paths: str) -> Task:
    more = tuple(FootprintEntry(path=path, probability=0.2, reason="a guess") for path in paths)
    return replace(task, footprint=(*task.footprint, *more))


PLAN = make_plan(
    tasks=[
        vague(make_task("one", paths=["a", "b"]), "vague"),
        make_task("two", paths=["c"]),
        make_task("three"),
    ]
)


def work(task: str, *paths: str, at: float, on: str = "") -> Iterable[Event]:
    built = (Built(task=on, head=f"{on}-{Phase.DELIVER}"),) if on else ()
    seen = FootprintObserved(
        task=task, attempt=1, sighting=Sighting.CHANGED, paths=paths, at=journals.START + at
    )
    prepared, *rest = journals.succeed(task, at=at, built_on=built)
    return (prepared, seen, *rest)


def report_on(*events: Iterable[Event], plan: Plan = PLAN) -> Report:
    told = [event for some in events for event in some]
    return journals.tell_story(plan, (*journals.begin(), *told))[1]


def test_the_files_of_a_task_are_compared_with_the_likely_ones() -> None:
    report = report_on(work("one", "a", "new", "vague", at=2))

    assert report.tasks[0].foresight == ForesightRow(
        predicted=("a", "b"), changed=("a", "new", "vague"), precision=0.5, recall=0.3333
    )
    assert report.tasks[1].foresight == ForesightRow(predicted=("c",))
    assert (report.foresight.tasks, report.foresight.hits) == (1, 1)
    told = dict(facts(report))
    assert told["foresight"] == (
        "1 of 2 predicted files changed (precision 50%), "
        "1 of 3 changed files was predicted (recall 33%)"
    )
    assert [*foresight_rows(report)] == [("one", "2", "3", "1", "50%", "33%", "new, vague")]


def test_a_pair_that_changed_the_same_file_unseen_by_each_other_was_missed() -> None:
    report = report_on(work("one", "a", "x", at=2), work("two", "c", "x", at=2))

    assert report.foresight.missed == (MissedCollision(tasks=("one", "two"), paths=("x",)),)
    assert dict(facts(report))["not foreseen"] == "one and two both changed x"


def test_a_task_that_was_built_on_the_other_did_not_collide() -> None:
    report = report_on(work("one", "a", "x", at=2), work("two", "x", at=9, on="one"))

    assert not report.foresight.missed


def test_of_a_run_that_observed_nothing_nothing_is_told() -> None:
    report = report_on(journals.succeed("one", at=2))

    assert report.tasks[0].foresight.changed is None
    assert not {"foresight", "not foreseen", "learnt on the way"} & {*dict(facts(report))}


def test_names_of_files_steer_nothing() -> None:
    report = report_on(work("one", HOSTILE, at=2), work("two", HOSTILE, at=2))
    told = " ".join([*dict(facts(report)).values(), *next(foresight_rows(report))])

    assert not any(character in told for character in "\x1b\u202e\u200b")
    assert "<script>" not in render_report(report)


def test_what_was_learnt_on_the_way_is_on_the_page() -> None:
    report = report_on(work("one", "c", at=2))

    assert dict(facts(report))["learnt on the way"] == (
        "0 pairs kept apart, 0 released, 1 met in the same files"
    )
    assert "Learnt on the way" in render_report(report)
    assert "one  changes c, which two works on" in render_report(report)


def test_files_that_an_observation_leaves_out_count_as_not_predicted() -> None:
    prepared, seen, *rest = work("one", "a", at=2)
    assert isinstance(seen, FootprintObserved)
    report = report_on([prepared, replace(seen, left_out=3), *rest])

    assert report.tasks[0].foresight.left_out == 3
    assert (report.tasks[0].foresight.recall, report.foresight.recall) == (0.25, 0.25)
    assert next(foresight_rows(report))[2] == "4"
