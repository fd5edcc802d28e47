"""Only JSON of the required form, for this task and this tree, counts as an answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.agents.answers import (
    LONGEST_COMMENT,
    MOST_COMMENTS,
    MOST_FOLLOW_UPS,
    ReviewDecision,
    UnreadableAnswer,
    describe_review,
    last_words,
    read_follow_ups,
    read_plan,
    read_reason,
    read_review,
)
from concertmaster.engine.journal import dump_event, load_event
from concertmaster.events import PhaseFinished
from concertmaster.settings.choices import Phase

TASK, TREE = "answer-1234", "ab" * 20
REMARK = {"file": "a.py", "line": 3, "comment": "too slow", "severity": "major"}
GOOD = {"task": TASK, "tree": TREE, "verdict": "approve", "comments": []}

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=12,
)
# Near misses: the right keys, sometimes with valid values.
FIELDS = {
    "task": st.just(TASK) | VALUES,
    "tree": st.just(TREE) | VALUES,
    "verdict": st.sampled_from(["approve", "request_changes", "APPROVE", "lgtm"]) | VALUES,
    "comments": st.just([]) | st.lists(st.just(REMARK) | VALUES, max_size=3) | VALUES,
}
ANSWERS = st.fixed_dictionaries({}, optional=FIELDS)
PROSE = st.text(max_size=200) | st.sampled_from(
    ["LGTM", "[]", "{}", "null", "approve", "```json\n"]
)


def block(found: Any) -> str:
    return f"```json\n{json.dumps(found)}\n```"


def read(text: str) -> ReviewDecision:
    return read_review(text, task=TASK, tree=TREE).decision


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(GOOD),
        block(GOOD),
        f"I have looked at all of it.\n\n{block(GOOD)}\n",
        f"{block({**GOOD, 'tree': 'old'})}\n\nNo:\n\n{block(GOOD)}",
        block({**GOOD, "comments": [REMARK]}),
        block({**GOOD, "confidence": 0.9}),
    ],
)
def test_an_approval_of_this_task_and_tree_is_one(text: str) -> None:
    assert read(text) is ReviewDecision.APPROVE


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no JSON object with a verdict"),
        ("LGTM", "no JSON object with a verdict"),
        ("I approve of this change: verdict approve.", "no JSON object with a verdict"),
        ("[]", "no JSON object with a verdict"),
        (block([]), "no JSON object with a verdict"),
        (block([GOOD]), "no JSON object with a verdict"),
        (block("approve"), "no JSON object with a verdict"),
        (block({"approve": True}), "no JSON object with a verdict"),
        (json.dumps(GOOD)[:-1], "no JSON object with a verdict"),
        (block(GOOD).replace("}", "", 1), "no JSON object with a verdict"),
        ("[" * 100_000, "no JSON object with a verdict"),
        (block({**GOOD, "task": "other-1234"}), "a verdict on other-1234"),
        (block({**GOOD, "task": None}), "a verdict on None"),
        (block({**GOOD, "tree": "cd" * 20}), "another tree"),
        (block({**GOOD, "tree": TREE[:12]}), "another tree"),
        (block({key: GOOD[key] for key in ("task", "verdict", "comments")}), "another tree"),
        (block({**GOOD, "verdict": "APPROVE"}), "verdict is APPROVE"),
        (block({**GOOD, "verdict": "approve or request_changes"}), "verdict is approve or"),
        (block({**GOOD, "verdict": ["approve"]}), "verdict is"),
        (block({**GOOD, "verdict": True}), "verdict is True"),
        (block({**GOOD, "comments": None}), "no list"),
        (block({**GOOD, "comments": {}}), "no list"),
        (block({**GOOD, "comments": ["nice"]}), "lacks its file or its text"),
        (block({**GOOD, "comments": [{**REMARK, "comment": " "}]}), "lacks its file or its text"),
        (block({**GOOD, "verdict": "request_changes"}), "without saying which"),
        (block({**GOOD, "comments": [{**REMARK, "severity": "Blocker"}]}), "names a blocker"),
        (f"{block(GOOD)}\n\n{block({**GOOD, 'task': 'other'})}", "a verdict on other"),
    ],
)
def test_what_is_no_verdict_on_this_task_and_tree_says_why(text: str, problem: str) -> None:
    with pytest.raises(UnreadableAnswer, match=problem):
        read(text)


@given(st.one_of(PROSE, ANSWERS.map(json.dumps), ANSWERS.map(block), ANSWERS.map(str)))
def test_only_the_whole_form_is_ever_an_approval(text: str) -> None:
    try:
        review = read_review(text, task=TASK, tree=TREE)
    except UnreadableAnswer:
        return
    found = json.loads(text.removeprefix("```json\n").removesuffix("\n```"))
    assert (found["task"], found["tree"]) == (TASK, TREE)
    assert found["verdict"] == review.decision
    assert isinstance(found["comments"], list)
    assert review.decision is ReviewDecision.APPROVE or review.comments


@given(PROSE, PROSE)
def test_prose_around_a_request_for_changes_never_makes_it_an_approval(a: str, b: str) -> None:
    asked = block({**GOOD, "verdict": "request_changes", "comments": [REMARK]})
    try:
        decision = read(f"{a}\n{asked}\n{b}")
    except UnreadableAnswer:
        return
    assert decision is ReviewDecision.REQUEST_CHANGES


def test_comments_are_bounded_and_told_a_line_each() -> None:
    remarks = [{**REMARK, "line": line, "comment": "x" * 9999} for line in range(99)]
    review = read_review(block({**GOOD, "comments": remarks}), task=TASK, tree=TREE)

    assert len(review.comments) == MOST_COMMENTS
    assert {len(one.comment) for one in review.comments} == {LONGEST_COMMENT}
    lines = describe_review(review).splitlines()
    assert [line[:20] for line in lines[:2]] == ["- a.py (major): xxxx", "- a.py:1 (major): xx"]


@pytest.mark.parametrize("line", [-1, 0, True, 1.5, "7", None])
def test_a_line_that_is_none_is_the_whole_file(line: object) -> None:
    found = block({**GOOD, "comments": [{**REMARK, "line": line}]})
    assert read_review(found, task=TASK, tree=TREE).comments[0].line == 0


@pytest.mark.parametrize("text", ["half \ud83d a face", "\x00", "\x1b]0;title\x07"])
def test_whatever_an_answer_holds_the_journal_can_tell_it_again(text: str) -> None:
    remark = {**REMARK, "file": f"a{text}", "comment": f"b{text}", "severity": f"c{text}"}
    review = read_review(block({**GOOD, "comments": [remark]}), task=TASK, tree=TREE)
    steps = read_plan(block({"steps": [f"a{text}"], "paths": ["a.txt"]})).steps
    event = PhaseFinished(
        task=TASK,
        attempt=1,
        phase=Phase.REVIEW,
        seconds=0.0,
        findings=describe_review(review) + steps[0],
        follow_ups=read_follow_ups(block({"follow_ups": [f"a{text}"]})),
    )

    assert load_event(dump_event(event)) == event


@pytest.mark.parametrize(
    "text",
    ["", "[]", block({"steps": [], "paths": ["a"]}), block({"steps": ["a"]}), block({"steps": 1})],
)
def test_a_plan_without_steps_or_paths_is_none(text: str) -> None:
    with pytest.raises(UnreadableAnswer):
        read_plan(text)


@given(st.one_of(PROSE, VALUES.map(block), st.dictionaries(st.text(), VALUES).map(json.dumps)))
def test_reasons_and_further_work_are_read_from_anything(text: str) -> None:
    assert len(read_reason(text, "no_docs")) <= 500
    assert len(read_follow_ups(text)) <= MOST_FOLLOW_UPS


def test_the_last_words_are_the_end_of_an_answer_in_one_line() -> None:
    assert last_words("") == ""
    assert last_words("I looked\nat it.\n") == "I looked at it."
    long = last_words("a" * 9000 + " the end", limit=20)
    assert (long[0], long[-7:], len(long)) == ("…", "the end", 20)
