"""Final texts of agents are read for no-op reasons and shortened for display."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.agents.protocol import one_line, read_no_op, say_reason


class TestNoOp:
    @pytest.mark.parametrize(
        ("final_text", "reason"),
        [
            ('```json\n{"no_op": "it is done"}\n```', "it is done"),
            ('I looked.\n\n```json\n{"no_op": "it is done"}\n```\n', "it is done"),
            ('```\n{"no_op": "it is done"}\n```', "it is done"),
            ('```json\n{"no_op": "`a.py` has\\nit"}\n```', "`a.py` has it"),
            ('```python\nx\n```\n```json\n{"no_op": "it is done"}\n```', "it is done"),
        ],
    )
    def test_it_is_a_fenced_block_at_the_end(self, final_text: str, reason: str) -> None:
        assert read_no_op(final_text) == reason

    @pytest.mark.parametrize(
        "final_text",
        [
            "",
            "```",
            "``````",
            '{"no_op": "not fenced"}',
            '```json\n{"no_op": "not the last word"}\n```\nBut then I changed it.',
            'Say ```{"no_op": "not a block"}```',
            '```json\n{"no_op": ""}\n```',
            '```json\n{"no_op": true}\n```',
            '```json\n{"no_op": null}\n```',
            '```json\n["no_op"]\n```',
            "```json\n" + "[" * 100_000 + "\n```",
            '```json\n{"noop": "misspelt"}\n```',
        ],
    )
    def test_nothing_else_is_one(self, final_text: str) -> None:
        assert read_no_op(final_text) == ""

    @given(st.text())
    def test_no_text_breaks_it(self, text: str) -> None:
        read_no_op(f"```json\n{text}\n```")


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_one_line_is_printable_and_within_its_limit(text: str, limit: int) -> None:
    line = one_line(text, limit)

    assert line.isprintable()
    assert len(line) <= limit


@pytest.mark.parametrize("words", [" ", "\n", "\x00"])
def test_a_failure_in_blank_words_has_a_reason(words: str) -> None:
    assert say_reason(words) == "it gave no reason"
    assert say_reason("") == ""
