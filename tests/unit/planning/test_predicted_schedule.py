"""Tests that the predicted schedule and the chances of collisions can be read at 80 columns."""

from __future__ import annotations

from dataclasses import replace

import pytest

from concertmaster.model import FootprintEntry, PairHistory, Plan, Task
from concertmaster.planning.pair_chances import predict_collisions
from concertmaster.planning.predicted_schedule import (
    MOST_IN_MATRIX,
    draw,
    draw_gantt,
    draw_matrix,
    draw_timeline,
    dump_plan,
    predict_schedule,
)
from tests.journals import make_plan, make_task


def test_the_schedule_is_the_one_that_the_makespan_is_of() -> None:
    rows = predict_schedule(make_plan())

    assert [(row.task, row.starts_seconds, row.ends_seconds) for row in rows] == [
        ("one", 0.0, 60.0),
        ("three", 60.0, 120.0),
        ("two", 60.0, 120.0),
    ]


def test_the_timeline_shows_who_runs_beside_whom() -> None:
    head, *lines = draw_timeline(make_plan())

    assert head == "timeline: 2m 00s from left to right, in 3 slots"
    assert lines[0] == f"  {'one':24} {'=' * 15}{'.' * 15} 0.0s to 1m 00s"
    assert lines[2] == f"  {'two':24} {'.' * 15}{'=' * 15} 1m 00s to 2m 00s"


def test_the_matrix_has_each_pair_twice_and_marks_those_kept_apart() -> None:
    told = [*draw_matrix(make_plan())]

    assert told[0].startswith("conflict matrix: % that two tasks collide, above 5%")
    assert told[2] == f"   1 {'one':24}  -  62x"
    assert told[3] == f"   2 {'two':24} 62x  -"
    assert not any("three" in line for line in told)


def test_pairs_below_the_limit_are_not_shown() -> None:
    plan = replace(make_plan(tasks=[_touch("a", 0.05), _touch("b", 0.2)]), exclusions=())

    assert not predict_collisions(plan)
    assert not [*draw_matrix(plan)]


def _touch(task: str, probability: float) -> Task:
    entry = FootprintEntry(path="x", probability=probability, reason="a guess")
    return replace(make_task(task), footprint=(entry,))


@pytest.mark.parametrize("number", [MOST_IN_MATRIX, MOST_IN_MATRIX + 1, 60])
def test_no_line_is_longer_than_80_characters(number: int) -> None:
    names = [f"a-rather-long-name-of-a-prompt-{n:03}-ab12" for n in range(number)]
    plan = make_plan(
        tasks=[make_task(name, paths=["src/a/long/path/of/a/file.py"]) for name in names]
    )
    told = [*draw(plan)]

    assert len(told) > number / 2
    assert [line for line in told if len(line) > 80] == []


def test_the_history_of_a_file_counts_in_the_chances() -> None:
    plan = make_plan(tasks=[make_task("one", paths=["x"]), make_task("two", paths=["x"])])
    harmless = replace(plan, pair_history=PairHistory(close={"x": (0, 50)}))

    (usual,) = predict_collisions(plan)
    assert all(pair.probability < usual.probability / 3 for pair in predict_collisions(harmless))


def test_the_document_has_the_schedule_and_the_chances() -> None:
    document = dump_plan(make_plan())

    assert [row["task"] for row in document["timeline"]] == ["one", "three", "two"]
    assert document["collisions"][0]["tasks"] == ("one", "two")
    assert document["collisions"][0]["apart"]


def test_an_empty_plan_draws_nothing() -> None:
    plan: Plan = replace(make_plan(), tasks=(), needs=(), exclusions=())

    assert not [*draw(plan)]


def test_the_chart_names_each_task_once() -> None:
    lines = draw_gantt(make_plan()).splitlines()

    assert lines[0] == "gantt"
    assert lines[-3:] == ["    one :t0, 0, 60", "    three :t1, 60, 120", "    two :t2, 60, 120"]
