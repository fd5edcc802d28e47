from __future__ import annotations

import pytest

from concertmaster.core import bulletin
from concertmaster.core.neutral import read_marks
from tests.stories import RUN, make_plan, make_task

PLAN = make_plan()
THREE = PLAN.tasks[2]


@pytest.mark.parametrize("word", ["plain", "@a", "@", "`", "a`b", "#1", "\u202e"])
def test_any_title_fits_the_title_of_an_issue(word: str) -> None:
    title = bulletin.child_title(make_task("t", title=" ".join([word] * 300)))

    assert 0 < len(title) <= bulletin.LONGEST_TITLE


def test_a_child_is_known_by_its_task_and_its_parent() -> None:
    body = bulletin.child_body(THREE, PLAN, parent=12)

    assert bulletin.task_of_child(body, parent=12) == "three"
    assert bulletin.task_of_child(body, parent=1) == ""
    assert bulletin.task_of_child(body, parent=0) == "three"


def test_a_child_is_still_known_when_somebody_edited_it_in_a_browser() -> None:
    body = bulletin.child_body(THREE, PLAN, parent=12).replace("\n", "\r\n") + "\r\nMy notes"

    assert bulletin.task_of_child(body, parent=12) == "three"


def test_a_text_that_only_quotes_a_child_is_none() -> None:
    body = bulletin.child_body(THREE, PLAN, parent=12)

    assert bulletin.task_of_child(f"Look:\n{body}", parent=12) == ""


def test_a_duplicate_is_no_child_any_more() -> None:
    body = bulletin.duplicate_body(RUN, of=7)

    assert bulletin.task_of_child(body, parent=0) == ""
    assert [one.kind for one in read_marks(body)] == ["duplicate"]
    assert "#7" in body


def test_children_that_are_no_sub_issues_are_listed_before_the_table() -> None:
    numbers = {"one": 2, "two": 3, "three": 4}
    text = bulletin.plan_comment(PLAN, children=numbers, beside=["two", "three"])

    assert text.index("- [ ] #3\n- [ ] #4\n") < text.index("| task |")
    assert "- [ ]" not in bulletin.plan_comment(PLAN, children=numbers)
