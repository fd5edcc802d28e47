"""What a prompt and a file have in common."""

from __future__ import annotations

import pytest

from concertmaster.insight.file_facts import study_file
from concertmaster.insight.regions import MOST_NAMES, find_names

FACTS = study_file(b"def parse_block(tokens):\n    return tokens.trim_newlines and self.ext\n")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("`parse_block` forgets `tokens`", ("parse_block", "tokens")),
        ("parse_block() is slow, parse_block() is wrong", ("parse_block",)),
        ("Set trim_newlines of `Absent.tokens`", ("tokens", "trim_newlines")),
        ("`somewhere_else` returns a block of tokens", ()),
        ("", ()),
    ],
)
def test_names_of_code_that_a_file_has_are_found(text: str, names: tuple[str, ...]) -> None:
    assert sorted(find_names(text, FACTS)) == sorted(names)


def test_a_prompt_that_lists_names_is_read_in_part() -> None:
    words = [f"word{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(200)]
    facts = study_file(" ".join(words).encode())

    assert len(find_names(" ".join(f"`{word}`" for word in words), facts)) == MOST_NAMES
