"""Files that many commits of a repository change."""

from __future__ import annotations

import pytest

from concertmaster.insight.calibration import Convention
from concertmaster.insight.conventions import (
    UNSEEN,
    Example,
    follow_conventions,
    learn_conventions,
)
from concertmaster.insight.history import PastCommit
from concertmaster.insight.message_words import count_changes, read_words, weigh_words

CODE = frozenset({"src/core.py"})
BOTH = CODE | {"CHANGES.md"}
Chances = dict[str, float]


def learn(chances: list[Chances], actual: list[frozenset[str]]) -> dict[str, Convention]:
    return learn_conventions(
        [Example(chances=one, actual=paths) for one, paths in zip(chances, actual, strict=True)]
    )


def test_a_file_that_many_commits_change_is_likelier_than_its_signals_say() -> None:
    chances = [{"src/core.py": 0.6, "CHANGES.md": chance} for chance in (0.02, 0.2)] * 40
    rules = learn(chances, [CODE, BOTH] * 40)
    found = follow_conventions(chances[1], rules)

    assert found["CHANGES.md"] > 0.5
    assert found["src/core.py"] > 0.8


def test_better_signals_still_tell_which_commits_change_the_file() -> None:
    chances = [{"CHANGES.md": 0.1}, {"CHANGES.md": 0.7}] * 40
    rules = learn(chances, [CODE, BOTH] * 40)
    low, high = (follow_conventions(one, rules)["CHANGES.md"] for one in chances[:2])

    assert low < chances[0]["CHANGES.md"] < chances[1]["CHANGES.md"] < high


@pytest.mark.parametrize(
    ("changes", "others"), [(7, 20), (9, 91), (30, 310)], ids=["few", "rare", "rarer"]
)
def test_a_file_that_few_commits_change_is_no_convention(changes: int, others: int) -> None:
    other = [frozenset({f"f{number}"}) for number in range(others)]

    assert not learn([{}] * (changes + others), [frozenset({"x"})] * changes + other)


def test_chances_that_mislead_make_no_rule() -> None:
    chances = [{"CHANGES.md": 0.99}, {"CHANGES.md": UNSEEN}] * 200

    assert "CHANGES.md" not in learn(chances, [CODE, BOTH] * 200)


def test_a_file_that_the_prompt_names_keeps_its_chance() -> None:
    rule = Convention(bias=2.0, slope=1.0)

    assert follow_conventions({"x": 0.3}, {"x": rule}, known=["x"]) == {"x": 0.3}


TALK = ("Fix the parser", "Bump the linter", "Add a command", "Bump the compiler")


def test_words_of_messages_tell_which_commits_follow_a_convention() -> None:
    history = [
        PastCommit(
            id=str(number),
            message=f"{TALK[number % 4]} {number}",
            paths=tuple(CODE if "Bump" in TALK[number % 4] else BOTH),
        )
        for number in range(120)
    ]
    examples = [
        Example(
            chances={"CHANGES.md": 0.3},
            actual=frozenset(past.paths),
            words=read_words(past.message),
        )
        for past in history[:80]
    ]
    rules = learn_conventions(examples, history)
    bump, fix = (
        follow_conventions({"CHANGES.md": 0.3}, rules, read_words(text))["CHANGES.md"]
        for text in ("Bump the formatter", "Fix the formatter")
    )

    assert bump < 0.2
    assert fix > 0.7


def test_a_past_commit_does_not_speak_for_itself() -> None:
    commits = [(frozenset({"word"}), frozenset({"x"})) for _ in range(3)]
    counts = count_changes("x", commits)

    assert weigh_words(counts, ["word"], own=True) == 0.0  # two others are too few
    assert weigh_words(counts, ["word"]) != 0.0


def test_a_long_prompt_speaks_no_louder_than_its_title() -> None:
    words = [f"w{chr(97 + n)}" for n in range(26)]
    counts = count_changes(
        "x", [(frozenset(words), frozenset({"x"})), (frozenset(), frozenset())] * 9
    )

    assert read_words("\n## Fix the parser\n\nBump everything") == read_words("fix the parser")
    assert weigh_words(counts, words) == pytest.approx(weigh_words(counts, words[:8]))


def test_words_that_few_commits_have_say_nothing() -> None:
    commits = [(frozenset({"rare", f"w{n}"}), frozenset({"x"})) for n in range(2)]

    assert weigh_words(count_changes("x", commits), ["rare", "w1", "never"]) == 0.0
