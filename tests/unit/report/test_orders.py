"""Tests what the report tells of needs and exclusions, and the picture of the plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from concertmaster.events import PhaseFinished
from concertmaster.model import Exclusion, Need, Plan
from concertmaster.report.foresight_rows import ForesightRow
from concertmaster.report.html import render_report
from concertmaster.report.orders import OrderKind, find_orders
from concertmaster.report.plan_picture import BOX_WIDTH, MOST_BOXES, PlanPicture, draw_plan
from concertmaster.settings.choices import Phase
from tests import journals
from tests.journals import make_plan, make_task


def plan_of(
    *names: str, needs: Sequence[tuple[str, str]] = (), apart: Sequence[tuple[str, str]] = ()
) -> Plan:
    """Return a plan; each need is a task and the one that it waits for."""
    return replace(
        make_plan(tasks=[make_task(name) for name in names]),
        needs=tuple(Need(task=task, on=on, hard=True, reason="says so") for task, on in needs),
        exclusions=tuple(
            Exclusion(tasks=pair, probability=0.4, reason="both change a.py") for pair in apart
        ),
    )


def picture_of(plan: Plan) -> PlanPicture | None:
    return draw_plan(journals.tell_story(plan, ())[1])


@pytest.mark.parametrize(
    ("one", "other", "became"),
    [
        (("a.py", "b.py"), ("a.py",), "both changed a.py"),
        (("a.py",), ("b.py",), "changed no file in common"),
        (("a.py",), None, ""),
        (tuple("abcde"), tuple("abcde"), "both changed a, b, c and 2 more"),
    ],
)
def test_an_exclusion_says_what_became_of_it(
    one: tuple[str, ...], other: tuple[str, ...] | None, became: str
) -> None:
    rows = {"one": ForesightRow(changed=one), "two": ForesightRow(changed=other)}
    (row,) = find_orders(plan_of("one", "two", apart=[("one", "two")]), rows)

    assert (row.kind, row.tasks) == (OrderKind.EXCLUSION, ("one", "two"))
    assert row.reason == "both change a.py (40%)"
    assert row.became == became


def test_a_task_stands_right_of_all_that_it_waits_for() -> None:
    picture = picture_of(plan_of("c", "b", "a", "free", needs=[("c", "b"), ("b", "a"), ("c", "a")]))

    assert picture
    places = {box.name: box.x for box in picture.boxes}
    assert places["a"] < places["b"] < places["c"]
    assert "free" not in places
    assert {(line.start[0] < line.end[0]) for line in picture.lines} == {True}
    assert all(box.x + BOX_WIDTH <= picture.width for box in picture.boxes)


def test_boxes_of_one_column_do_not_lie_on_each_other() -> None:
    picture = picture_of(plan_of("a", "b", "c", apart=[("a", "b"), ("b", "c")]))

    assert picture
    assert len({(box.x, box.y) for box in picture.boxes}) == 3
    assert {line.kind for line in picture.lines} == {OrderKind.EXCLUSION}


@pytest.mark.parametrize("number", [0, MOST_BOXES + 1])
def test_no_picture_is_drawn_of_nothing_or_of_too_much(number: int) -> None:
    names = [f"t{n}" for n in range(max(number, 2))]
    needs = [(name, "t0") for name in names[1:]] if number else []

    assert picture_of(plan_of(*names, needs=needs)) is None


def test_a_need_on_a_skipped_prompt_is_told_and_not_drawn() -> None:
    plan = plan_of("one", "two", needs=[("one", "gone")])

    assert picture_of(plan) is None
    assert "one after gone" in render_report(journals.tell_story(plan, ())[1])


def test_the_page_shows_the_picture_and_the_last_message() -> None:
    plan = plan_of("one", "two", needs=[("two", "one")])
    done = [
        replace(event, said="I wrote <b>it</b>.")
        if isinstance(event, PhaseFinished) and event.phase is Phase.IMPLEMENT
        else event
        for event in journals.succeed("one", at=2)
    ]
    html = render_report(journals.tell_story(plan, (*journals.begin(), *done))[1])

    assert 'role="img"' in html
    assert "two after one" in html
    assert "Agent's last message" in html
    assert "I wrote &lt;b&gt;it&lt;/b&gt;." in html
