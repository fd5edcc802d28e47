"""Tables and lines for a width: nothing is broken inside a word or a path."""

from __future__ import annotations

import pytest

from concertmaster.terminal.layout import crop, lay_out, shorten_name, wrap_line

COLUMNS = ("#", "task", "title", "estimate", "footprint", "waits for")
PATH = "src/inkwell/a_rather_long_package/money.py"
ROW = (
    "1",
    "json-export-5170",
    "Export receipts as JSON",
    "10m 00s",
    f"{PATH} 90%, b.py 50%",
    "x-1",
)
WORDS = {word for cell in ROW for word in cell.split()}


@pytest.mark.parametrize("width", [40, 80, 99, 100, 120, 160, 400])
def test_no_word_and_no_path_is_broken_at_any_width(width: int) -> None:
    lines = [*lay_out(COLUMNS, [ROW, ROW], width=width)]

    told = {word for line in lines for word in line.split()}
    assert told >= WORDS
    assert all(len(line) <= width or " " not in line.strip() for line in lines)


def test_a_row_that_does_not_fit_is_a_block_below_100_columns() -> None:
    assert [*lay_out(COLUMNS, [ROW], width=80)] == [
        "1  json-export-5170  10m 00s",
        "   Export receipts as JSON",
        f"   footprint: {PATH} 90%, b.py 50%",
        "   waits for: x-1",
    ]


def test_a_table_that_fits_stays_a_table() -> None:
    head, row = lay_out(("task", "state"), [("one", "landed")], width=80)

    assert (head, row) == ("task  state", "one   landed")


def test_a_wide_table_wraps_its_long_cells_from_100_columns_on() -> None:
    head, *rows = lay_out(("task", "what"), [("one", "some words " * 20)], width=100)

    assert head.split() == ["task", "what"]
    assert len(rows) > 1
    assert all(len(line) <= 100 for line in rows)


def test_a_block_says_what_a_bare_number_is() -> None:
    row = ("one", "2", "words " * 30)

    assert next(lay_out(("task", "attempts", "what"), [row], width=80)) == "one  2 attempts"


def test_a_long_line_of_progress_goes_on_below_its_text() -> None:
    told = wrap_line("    4.4s  one  deliver finished in 0.1s; the task succeeded", width=40)

    assert told == ["    4.4s  one  deliver finished in 0.1s;", "          the task succeeded"]


def test_what_is_too_long_is_cut_between_words_and_a_name_in_its_middle() -> None:
    assert crop("working on 12 in src/click/core.py", width=20) == "working on 12 in …"
    assert crop("short", width=20) == "short"
    assert shorten_name("a-very-long-name-of-a-task-5170", limit=20) == "a-very-long…ask-5170"


@pytest.mark.parametrize("width", [80, 100])
def test_numbers_keep_their_names_where_rows_are_stacked(width: int) -> None:
    missing = ", ".join(f"inkwell/a_rather_long_name_{number}.py" for number in range(6))
    columns = ("task", "predicted", "recall", "not predicted")
    lines = [*lay_out(columns, [("fix-1a2b", "12", "75%", missing)], width=width)]

    assert "predicted" in lines[0]
    assert any("12" in line and "75%" in line for line in lines[:2])
    assert all(len(line) <= width for line in lines)
