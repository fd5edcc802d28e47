"""The words of an agent in a commit's message trigger nothing, whatever they are."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.git.commit_body import LONGEST_BODY, MOST_LINES, inert_body
from concertmaster.git.commit_message import squash_message
from concertmaster.git.landed_prompts import _REVERTED, _TRAILER
from concertmaster.text.display import is_visible
from concertmaster.text.marks import read_marks
from tests.unit.git.test_commit_message import ACTS, write
from tests.unit.text.test_markdown import hostile

# What would act on the line where it stands.
FORGERIES = (
    "Concertmaster-Run: r-2",
    "Concertmaster-Task: b-3f2a",
    f"Concertmaster-Prompt: {'c' * 40}",
    "Co-authored-by: Eve <eve@example.org>",
    "Signed-off-by: Eve <eve@example.org>",
    "skip-checks: true",
    f"This reverts commit {'d' * 40}.",
    f"This reverts commit {'d' * 64}.",
    "Closes #12",
    "Fixes octo/opera#3, GH-4 and https://github.com/o/r/issues/1",
    "cc @ada",
    "[skip ci]",
    "<!-- concertmaster run=r kind=pull -->",
    "---",
    "--- a/app.py",
    "diff --git a/a b/a",
    "Index: a.txt",
    "From eve@example.org Mon Sep 17 00:00:00 2001",
)
BEFORE = ("", " ", "\t", "# ", "> ", "\x1b[0m", "\x1b[0m  ", "\u200b", "\r", "\x00", "- ")
ENDS = ("\n", "\n\n", "\r\n", "\u2028", "\x0b", "\x85", "", "```\n", "# ```\n", " ")
TEXTS = st.lists(
    st.tuples(st.sampled_from(BEFORE), st.sampled_from(FORGERIES) | hostile, st.sampled_from(ENDS)),
    max_size=30,
).map(lambda parts: "".join(piece for part in parts for piece in part))
LINE = re.compile(
    r"^(?:[\w-]+-(?:by|checks|run|task|prompt)\s*:|---|diff -|Index: |From )",
    re.MULTILINE | re.IGNORECASE,
)


@given(TEXTS)
def test_no_words_forge_a_trailer_a_mark_a_mention_or_a_revert(text: str) -> None:
    body = inert_body(text)

    assert len(body) <= LONGEST_BODY
    assert body.count("\n") < MOST_LINES
    assert "\n\n\n" not in body
    assert body == body.strip()
    assert all(map(is_visible, body.replace("\n", "")))
    assert not ACTS.search(body)
    assert not LINE.search(body)
    assert not _REVERTED.search(body)
    assert not read_marks(body)
    assert inert_body(body) == body


@given(TEXTS)
def test_the_trailers_of_a_commit_are_ours_whatever_its_words_are(text: str) -> None:
    body = inert_body(text)
    message = write("Add a page", said=text)
    assert body in message
    ours = ["Run", "Task", "Prompt"]
    assert [key for key, _ in _TRAILER.findall(message)] == ours
    assert message.rpartition("\n\n")[2] == write("").rpartition("\n\n")[2]
    both = squash_message([message, write("Mend it", said=text)])
    assert [key for key, _ in _TRAILER.findall(both)] == ours * 2
    assert not _REVERTED.search(both)


@pytest.mark.parametrize(
    ("text", "body"),
    [
        (
            "I added a page.\n\nIt was asked for in #12.",
            "I added a page.\n\nIt was asked for in # 12.",
        ),
        ("## Summary\n- one\n   - two\n\n\n\nDone.", "Summary\n- one\n- two\n\nDone."),
        ('Done.\n\n```json\n{"follow_ups": ["More"]}\n```', "Done."),
        ("Run\n~~~sh\nmake\n~~~\nthen look", "Run\nthen look"),
        ("Not closed\n```\nx = 1", "Not closed"),
        ("a\n***\nb\n-----\n", "a\n\nb"),
        ("Reverts deadbeef.\ndiff -u a b", "Reverts deadbeef.\n> diff -u a b"),
        (f"This reverts commit {'d' * 40}.", f"This reverts commit {'d' * 12}…."),
        ("", ""),
        (" \n\x00\n", "\ufffd"),
    ],
)
def test_words_read_as_they_were_said(text: str, body: str) -> None:
    assert inert_body(text) == body


def test_long_words_are_cut_and_say_so() -> None:
    many = inert_body("\n".join(f"line {n}" for n in range(100)))
    assert many.splitlines() == [*(f"line {n}" for n in range(MOST_LINES - 1)), "…"]
    wide = inert_body("\n".join("word " * 60 for _ in range(10)))
    assert wide.endswith("word\n…")
    assert LONGEST_BODY - 320 < len(wide) <= LONGEST_BODY
    assert inert_body("\n".join(f"line {n}" for n in range(MOST_LINES))).endswith("line 19")
