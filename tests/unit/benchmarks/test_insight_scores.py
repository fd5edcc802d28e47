from __future__ import annotations

import pytest

from benchmarks import insight_scores as scores
from benchmarks.insight_data import without_files
from benchmarks.insight_scores import Guess


def guess(*ranked: tuple[str, float], actual: str) -> Guess:
    return Guess(ranked=ranked, actual=frozenset(actual.split()))


GUESSES = [guess(("a", 0.9), ("b", 0.2), actual="a c"), guess(actual="a")]


def test_the_first_file_hits_or_misses() -> None:
    assert scores.hit_at_1(GUESSES) == 0.5


def test_recall_is_the_mean_share_of_the_changed_files() -> None:
    assert scores.recall_at(5, GUESSES) == 0.25
    assert scores.recall_at(1, [guess(("b", 0.2), ("a", 0.1), actual="a")]) == 0.0


def test_an_empty_prediction_is_counted() -> None:
    assert scores.empty_share(GUESSES) == 0.5


@pytest.mark.parametrize(
    ("ranked", "area"),
    [
        ([(0.9, True), (0.1, False)], 1.0),
        ([(0.1, True), (0.9, False)], 0.0),
        ([(0.5, True), (0.5, False)], 0.5),
        ([(0.9, True), (0.5, False), (0.5, True), (0.1, False)], 0.875),
        ([(0.9, True)], None),
    ],
)
def test_the_quality_of_a_ranking_is_the_area_under_its_curve(
    ranked: list[tuple[float, bool]], area: float | None
) -> None:
    assert scores.ranking_quality(ranked) == area


def test_the_threshold_leaves_the_asked_share_of_the_others() -> None:
    others = [(n / 10, False) for n in range(1, 11)]

    kept = scores.kept_apart([*others, (0.85, True), (0.75, True)], parallel=0.8)

    assert kept == 0.5
    assert scores.kept_apart(others, parallel=0.8) is None


def test_statements_that_come_true_as_often_as_stated_have_no_error() -> None:
    assert scores.calibration_error([(0.5, True), (0.5, False)] * 50) == pytest.approx(0.0)


def test_the_error_is_the_gap_between_statement_and_truth() -> None:
    assert scores.calibration_error([(0.9, False)] * 50) == pytest.approx(0.9)
    assert scores.calibration_error([]) is None


def test_entries_that_are_too_unlikely_state_nothing() -> None:
    found = scores.stated_paths([guess(("a", 0.9), ("b", 0.04), actual="b")])

    assert found == [(0.9, False)]


def test_a_curve_tells_both_shares_for_each_threshold() -> None:
    rows = {row[0]: row[1:] for row in scores.curve([(0.45, True), (0.15, False), (0.9, True)])}

    assert rows[0.1] == (1.0, 0.0)
    assert rows[0.5] == (0.5, 1.0)


def test_the_list_of_files_is_cut_from_a_prompt() -> None:
    text = "**Title**: x\n\nText\n\n**Files Modified**\n- `a.py`\n```\nb.py\n```\n\n**Notes**\nEnd"

    assert without_files(text) == "**Title**: x\n\nText\n\n**Notes**\nEnd"
