"""Files that many commits of a repository change."""

from __future__ import annotations

import pytest

from concertmaster.insight.conventions import UNSEEN, follow_conventions, learn_conventions

CODE = frozenset({"src/core.py"})
BOTH = CODE | {"CHANGES.md"}


def test_a_file_that_many_commits_change_is_likelier_than_its_signals_say() -> None:
    chances = [{"src/core.py": 0.6, "CHANGES.md": chance} for chance in (0.02, 0.2)] * 40
    rules = learn_conventions(chances, [CODE, BOTH] * 40)
    found = follow_conventions(chances[1], rules)

    assert found["CHANGES.md"] > 0.5
    assert found["src/core.py"] > 0.8


def test_better_signals_still_tell_which_commits_change_the_file() -> None:
    chances = [{"CHANGES.md": 0.1}, {"CHANGES.md": 0.7}] * 40
    rules = learn_conventions(chances, [CODE, BOTH] * 40)
    low, high = (follow_conventions(one, rules)["CHANGES.md"] for one in chances[:2])

    assert low < chances[0]["CHANGES.md"] < chances[1]["CHANGES.md"] < high


@pytest.mark.parametrize(
    ("changes", "others"), [(7, 20), (15, 85), (40, 300)], ids=["few", "rare", "rarer"]
)
def test_a_file_that_few_commits_change_is_no_convention(changes: int, others: int) -> None:
    other = [frozenset({f"f{number}"}) for number in range(others)]

    assert not learn_conventions([{}] * (changes + others), [frozenset({"x"})] * changes + other)


def test_chances_that_mislead_make_no_rule() -> None:
    chances = [{"CHANGES.md": 0.99}, {"CHANGES.md": UNSEEN}] * 200

    assert "CHANGES.md" not in learn_conventions(chances, [CODE, BOTH] * 200)


def test_a_file_that_the_prompt_names_keeps_its_chance() -> None:
    assert follow_conventions({"x": 0.3}, {"x": (2.0, 1.0)}, known=["x"]) == {"x": 0.3}
