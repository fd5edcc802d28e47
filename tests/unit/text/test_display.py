from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.text.display import (
    REPLACEMENT,
    closest_word,
    display,
    display_block,
    duration,
    leave_out_empty,
    visible,
)


@given(st.text(alphabet=st.characters(), max_size=300), st.integers(2, 50))
def test_whatever_is_displayed_is_one_bounded_line_of_visible_characters(
    text: str, limit: int
) -> None:
    shown = display(text, limit=limit)

    assert len(shown) <= limit
    assert len(shown.splitlines()) <= 1
    assert not {unicodedata.category(character) for character in shown} & {"Cc", "Cf", "Cs", "Co"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\r\n  c\n", "a b c"),
        ("  indented  text", "  indented  text"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07shown", "shown"),
        ("\x1b]8;;unfinished", "8;;unfinished"),
        ("bell\x07", "bell\ufffd"),
        ("user\u202egnp.exe", "user\ufffdgnp.exe"),
        ("a\u200b.py", "a\ufffd.py"),
        ("\ud800", "\ufffd"),
        ("a\U000e0041\U000e01efb", "a\ufffd\ufffdb"),
        ("Grüße, 世界 🎻", "Grüße, 世界 🎻"),
    ],
)
def test_what_would_steer_a_terminal_or_a_reader_is_removed_or_made_visible(
    text: str, shown: str
) -> None:
    assert display(text) == shown


def test_long_text_is_cut_visibly() -> None:
    assert display("abcdef", limit=4) == "abc…"
    assert display("abcd", limit=4) == "abcd"


@pytest.mark.parametrize("piece", ["\x1b]", " ", " \n", "\t"])
def test_a_megabyte_of_what_is_not_shown_is_displayed_at_once(piece: str) -> None:
    assert len(display(piece * 500_000 + "x", limit=100)) <= 100


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.04, "0.0s"), (4.14, "4.1s"), (59.97, "1m 00s"), (125, "2m 05s"), (3719.6, "1h 02m")],
)
def test_a_duration_is_told_as_people_would(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_a_visible_line_keeps_its_length_and_its_indentation() -> None:
    assert visible("  a\u200b" + "b" * 500) == "  a\ufffd" + "b" * 500


def test_the_closest_known_name_is_the_one_that_was_meant() -> None:
    assert closest_word("Paralel", ("parallel", "agent")) == "parallel"
    assert closest_word("xyz", ("parallel", "agent")) == ""


def test_a_block_keeps_its_lines_and_tabs_and_nothing_that_steers() -> None:
    text = "\x1b[31mred\x1b[0m\tone\n\u202etwo\n" + "x" * 50
    cut = "xxxxxxxx\n(there is more)"
    assert display_block(text, limit=30) == f"red\tone\n{REPLACEMENT}two\n{cut}"
    assert display_block("a\r\nb\n", limit=30) == "a\nb"


def test_a_column_that_no_row_fills_is_left_out() -> None:
    columns = ("task", "cost", "what")

    assert leave_out_empty(columns, [("a", "", "x"), ("b", "", "")]) == (
        ["task", "what"],
        [["a", "x"], ["b", ""]],
    )
    assert leave_out_empty(columns, [("a", "", ""), ("", "$1", "")])[0] == ["task", "cost"]
