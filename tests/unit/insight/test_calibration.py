"""Weights that are learnt from examples, and what past diffs tell of changes side by side."""

from __future__ import annotations

import random
from statistics import fmean

import pytest

from concertmaster.insight.calibration import (
    PRIOR,
    adjust,
    adjust_pairs,
    chance,
    fit,
    resemblance,
    share_chance,
)
from concertmaster.insight.change_distance import MOST_HUNKS, Hunk, count_close, parse_changes
from concertmaster.insight.signals import SIGNALS


def test_a_fit_states_the_true_rate() -> None:
    drawn = random.Random(1)
    rows = [(drawn.random(),) for _ in range(2000)]
    truths = [drawn.random() < row[0] for row in rows]

    weights = fit(rows, truths, prior=(0.0, 0.0), strength=1.0)

    stated = [chance(weights, row) for row in rows]
    assert fmean(stated) == pytest.approx(fmean(truths), abs=0.01)
    assert chance(weights, (0.9,)) == pytest.approx(0.9, abs=0.1)


def test_without_examples_the_prior_stays() -> None:
    assert adjust([], []) == pytest.approx(PRIOR)
    assert adjust_pairs([], []) == (0.0, 1.0)


def test_examples_of_one_repository_move_the_prior_towards_them() -> None:
    row = [0.0] * len(SIGNALS)
    row[SIGNALS.index("text")] = 1.0

    often, never = (chance(adjust([row] * 200, [truth] * 200), row) for truth in (True, False))

    assert never < chance(PRIOR, row) < often


def test_a_fit_with_separable_examples_stays_finite() -> None:
    rows = [(float(n % 2),) for n in range(100)]
    weights = fit(rows, [row[0] > 0 for row in rows], prior=(0.0, 0.0), strength=1.0)

    assert all(abs(weight) < 50 for weight in weights)


def test_footprints_with_the_same_files_resemble_each_other() -> None:
    one, same, other = {"a": 0.8, "b": 0.3}, {"a": 0.7, "b": 0.4}, {"c": 0.8}

    assert resemblance(one, same) > resemblance(one, other)
    assert resemblance(one, same) == resemblance(same, one)
    assert 0.0 < share_chance(resemblance(one, other), (0.0, 1.0)) < 0.5


DIFF = """\
1111
diff --git a/x b/x
--- a/x
+++ b/x
@@ -3,2 +3 @@ def f():
-old
---- a/no path
+new
@@ -9,0 +8,2 @@
+++ b/no path
+y
2222
diff --git a/new b/new
--- /dev/null
+++ b/new
@@ -0,0 +1 @@
+z
"""


def test_changed_lines_are_read_from_a_diff_and_its_content_is_skipped() -> None:
    found = parse_changes(DIFF, frozenset({"1111", "2222"}))

    assert found == {
        "1111": {"x": [Hunk((3, 4), (3, 3)), Hunk((10, 9), (8, 9))]},
        "2222": {"new": [Hunk((1, 0), (1, 1))]},
    }


def test_a_diff_with_many_changes_of_a_file_is_kept_in_part() -> None:
    body = "".join(f"@@ -{n} +{n} @@\n-a\n+b\n" for n in range(1, 1000))
    found = parse_changes(f"1111\n--- a/x\n+++ b/x\n{body}", frozenset({"1111"}))

    assert len(found["1111"]["x"]) == MOST_HUNKS


@pytest.mark.parametrize(
    ("newer", "older", "close"),
    [
        (Hunk((5, 5), (5, 5)), Hunk((4, 4), (4, 4)), 1),
        (Hunk((5, 5), (5, 5)), Hunk((50, 50), (50, 50)), 0),
        (Hunk((11, 10), (11, 11)), Hunk((10, 9), (10, 10)), 1),
    ],
)
def test_changes_side_by_side_are_counted(newer: Hunk, older: Hunk, close: int) -> None:
    assert count_close([{"x": [newer]}, {"x": [older], "y": [older]}]) == {"x": (close, 1)}
