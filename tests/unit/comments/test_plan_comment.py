from __future__ import annotations

from dataclasses import replace

import pytest

from concertmaster.comments import plan_comment
from concertmaster.text.marks import mark, read_marks
from tests.journals import RUN, make_plan, make_task

PLAN = make_plan()
THREE = PLAN.tasks[2]


@pytest.mark.parametrize("word", ["plain", "@a", "@", "`", "a`b", "#1", "\u202e"])
def test_any_title_fits_the_title_of_an_issue(word: str) -> None:
    title = plan_comment.child_title(make_task("t", title=" ".join([word] * 300)))

    assert 0 < len(title) <= plan_comment.LONGEST_TITLE


def test_a_child_is_known_by_its_task_and_its_parent() -> None:
    body = plan_comment.child_body(THREE, PLAN, parent=12)

    assert plan_comment.task_of_child(body, parent=12) == "three"
    assert plan_comment.task_of_child(body, parent=1) == ""
    assert plan_comment.task_of_child(body, parent=0) == "three"


def test_the_visible_text_of_a_child_is_not_read() -> None:
    body = plan_comment.child_body(THREE, PLAN, parent=12)
    rewritten = body.replace("Task `three` of #12, ", "Task `three` of #1, ")

    assert rewritten != body
    assert plan_comment.task_of_child(rewritten, parent=12) == "three"
    assert plan_comment.task_of_child(rewritten, parent=1) == ""


def test_a_child_of_an_earlier_version_names_its_parent_in_its_text() -> None:
    body = f"{mark(run=RUN, kind='task', task='three')}\nTask `three` of #12, from `a.md` at 1234."

    assert plan_comment.task_of_child(body, parent=12) == "three"
    assert plan_comment.task_of_child(body, parent=1) == ""


def test_a_child_is_still_known_when_somebody_edited_it_in_a_browser() -> None:
    body = plan_comment.child_body(THREE, PLAN, parent=12).replace("\n", "\r\n") + "\r\nMy notes"

    assert plan_comment.task_of_child(body, parent=12) == "three"


def test_a_text_that_only_quotes_a_child_is_none() -> None:
    body = plan_comment.child_body(THREE, PLAN, parent=12)

    assert plan_comment.task_of_child(f"Look:\n{body}", parent=12) == ""


def test_a_duplicate_is_no_child_any_more() -> None:
    body = plan_comment.duplicate_body(RUN, of=7)

    assert plan_comment.task_of_child(body, parent=0) == ""
    assert [one.kind for one in read_marks(body)] == ["duplicate"]
    assert "#7" in body


def test_children_that_are_no_sub_issues_are_listed_before_the_table() -> None:
    numbers = {"one": 2, "two": 3, "three": 4}
    text = plan_comment.plan_comment(PLAN, children=numbers, beside=["two", "three"])

    assert text.index("- [ ] #3\n- [ ] #4\n") < text.index("| task |")
    assert "- [ ]" not in plan_comment.plan_comment(PLAN, children=numbers)


def test_the_headline_says_that_nothing_is_known_yet_to_predict_the_cost_from() -> None:
    limited = plan_comment.plan_comment(make_plan(budget=20.0), children={})
    unlimited = plan_comment.plan_comment(PLAN, children={})

    why = "too few past tasks of the same agent and phases have a known cost"
    unknown = f"Predicted cost: unknown ({why})"
    assert f"{unknown}; limited to $20.00." in limited
    assert f"{unknown}; not limited by a budget." in unlimited


def test_a_plan_that_has_learned_says_what_from_and_what_it_will_cost() -> None:
    one, two, three = PLAN.tasks
    reason = "the median of 14 tasks of 3 past runs (0.7 x the guess by size)"
    learned = (
        replace(one, estimate_cost_usd=1.25, estimate_reason=reason),
        replace(two, estimate_cost_usd=0.5, estimate_reason=reason),
        replace(three, estimate_reason="front matter"),
    )

    said = plan_comment.plan_comment(replace(PLAN, tasks=learned), children={})

    assert "Predicted cost: at least $1.75 (nothing tells what 1 task will cost);" in said
    assert f"2 by {reason}; 1 by front matter" in said
    assert "| 1m 00s, $1.25 |" in said
    assert "- estimate: 1m 00s, $1.25\n" in plan_comment.child_body(learned[0], PLAN, parent=1)


def test_the_headline_calls_no_shares_independent_where_links_between_them_were_cut() -> None:
    cut = replace(PLAN, exclusions=(), shares=(("one", "three"), ("two",)))

    assert "3 tasks in 2 shares, from" in plan_comment.plan_comment(cut, children={})
