"""A first prompt is drafted from a real thing in the repository."""

from __future__ import annotations

import pytest

from concertmaster.planning.first_prompt import draft_first_prompt
from concertmaster.prompts.parser import parse_prompt


def test_a_clear_todo_becomes_a_prompt_that_can_be_read() -> None:
    lines = ["src/a.py:12:    # TODO(ada): refuse a negative amount of money."]
    found = draft_first_prompt(["src/a.py"], lines)

    assert found
    assert found.path == "prompts/refuse-a-negative-amount-of-money.md"
    prompt = parse_prompt(found.text.encode(), path=found.path)
    assert prompt.title == "Refuse a negative amount of money"
    assert "- `src/a.py`, line 12" in prompt.text


@pytest.mark.parametrize(
    "line",
    [
        "src/a.py:12:    # TODO",
        "src/a.py:12:    # TODO: fix this",
        "src/a.py:12:    # TODO: an exception for old browsers of one kind?",
        "tests/test_a.py:1:# TODO: refuse a negative amount of money",
        "README.md:1:# TODO: refuse a negative amount of money",
        "src/a.py:1:name = 'TODO refuse a negative amount'",
        "src/a.py",
        "",
    ],
)
def test_a_todo_that_says_little_or_lies_apart_is_passed_over(line: str) -> None:
    assert draft_first_prompt(["src/a.py"], [line]) is None


def test_a_module_without_tests_is_the_next_best() -> None:
    paths = ["src/money.py", "src/paper.py", "src/_hidden.py", "tests/test_money.py"]
    found = draft_first_prompt(paths, [])

    assert found
    assert "# Test src/paper.py" in found.text


def test_a_repository_that_asks_for_nothing_gets_no_prompt() -> None:
    assert draft_first_prompt(["src/money.py", "tests/test_money.py"], []) is None
    assert draft_first_prompt(["src/money.py"], []) is None
