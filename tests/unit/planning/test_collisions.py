"""How likely two footprints collide in the files that they share."""

from __future__ import annotations

from dataclasses import replace

import pytest

from concertmaster.insight.calibration import Calibration
from concertmaster.model import FootprintEntry
from concertmaster.planning.collisions import meet
from concertmaster.planning.exclusions import keep_apart


def entry(path: str, *definitions: str, probability: float = 0.9) -> FootprintEntry:
    shares = tuple((name, round(1 / len(definitions), 3)) for name in definitions)
    return FootprintEntry(path=path, probability=probability, reason="", definitions=shares)


@pytest.mark.parametrize(
    ("one", "other", "is_apart"),
    [
        (["parse"], ["parse"], True),
        (["parse", "lex"], ["parse", "lex", "emit"], True),
        (["parse"], ["emit"], False),
        (["parse", "lex"], ["emit", "load", "lex"], True),
    ],
)
@pytest.mark.parametrize("close", [{}, {"core.py": (0, 20)}, {"core.py": (18, 20)}])
def test_named_files_keep_tasks_apart_by_the_definitions_they_share(
    one: list[str], other: list[str], is_apart: bool, close: dict[str, tuple[int, int]]
) -> None:
    learnt = Calibration(close=close)
    met = meet([entry("core.py", *one)], [entry("core.py", *other)], learnt)

    assert bool(keep_apart([met] * 3, tasks=3, slots=2)) is is_apart


ALIKE = ("parse_block", "tokens", "trim")


FAR = ("emit", "writer", "flush")


@pytest.mark.parametrize("definitions", [("parse",), ()])
def test_two_prompts_that_name_a_file_collide_by_the_names_they_share(
    definitions: tuple[str, ...],
) -> None:
    def collision(ours: tuple[str, ...], theirs: tuple[str, ...]) -> float:
        plain = entry("core.py", *definitions)
        return meet([replace(plain, names=ours)], [replace(plain, names=theirs)]).collision

    unknown = collision(ALIKE, ())

    assert collision(ALIKE, FAR) < collision(ALIKE, (*FAR[:2], "tokens")) < unknown
    assert collision(ALIKE, ALIKE) > unknown
    assert collision(ALIKE[:2], FAR[:2]) == unknown  # too few to tell anything


def test_tasks_with_other_definitions_and_other_names_run_together() -> None:
    one = replace(entry("core.py", "parse"), names=ALIKE)
    other = replace(entry("core.py", "emit"), names=FAR)

    assert not keep_apart([meet([one], [other])] * 3, tasks=3, slots=2)


def test_a_changelog_makes_another_file_no_safer() -> None:
    core, changes = entry("core.py", probability=0.6), entry("CHANGES.md", probability=0.7)
    learnt = Calibration(pair=(9.0, 1.0))

    alone = meet([core], [core], learnt).collision

    assert meet([core, changes], [core, changes], learnt).collision == pytest.approx(alone, rel=0.1)


def test_names_tell_nothing_of_a_file_that_is_a_guess() -> None:
    guess = entry("core.py", "parse", probability=0.5)
    far = [replace(guess, names=names) for names in (ALIKE, FAR)]

    assert meet(far[:1], far[1:]) == meet([guess], [guess])


@pytest.mark.parametrize("path", ["CHANGES.md", "docs/ChangeLog", "NEWS", "HISTORY.rst"])
@pytest.mark.parametrize("probability", [0.5, 0.9])
def test_tasks_that_add_to_a_changelog_run_together(path: str, probability: float) -> None:
    both = [entry(path, probability=probability)]

    assert not keep_apart([meet(both, both)] * 3, tasks=3, slots=2)
    assert keep_apart([meet([entry("news.py")], [entry("news.py")])] * 3, tasks=3, slots=2)


@pytest.mark.parametrize(
    ("one", "other", "most"), [(0.7, 0.1, 0.14), (0.3, 0.3, 0.18), (0.7, 0.7, 1)]
)
def test_a_file_that_one_task_hardly_touches_is_hardly_shared(
    one: float, other: float, most: float
) -> None:
    learnt = Calibration(pair=(9.0, 1.0))
    met = meet([entry("x", probability=one)], [entry("x", probability=other)], learnt)

    assert met.share == pytest.approx(min(most, one, other))
    assert met.collision < met.share


def test_collisions_in_several_named_files_do_not_add_up() -> None:
    one = [entry(f"f{number}.py", "parse") for number in range(4)]
    other = [entry(f"f{number}.py", "emit") for number in range(4)]

    assert meet(one, other).collision == pytest.approx(meet(one[:1], other[:1]).collision, abs=0.02)


def test_the_history_of_a_guessed_file_counts_more_than_that_of_a_named_one() -> None:
    quiet, busy = Calibration(close={"core.py": (0, 40)}), Calibration(close={"core.py": (40, 40)})

    def span(probability: float) -> float:
        pair = [entry("core.py", "parse", probability=probability)]
        return meet(pair, pair, busy).collision / meet(pair, pair, quiet).collision

    assert span(0.5) > span(0.9) > 1.0
