"""Chooses which prefix of a batch to check next, by the optimal nested plan.

The plan is the group testing of Sobel and Groll: it has the least expected number of checks among
the plans that settle one prefix after the other. Its cost is quadratic in the number of tasks, as
the best cuts are monotone: with each expected number weighed by the chance of its case, the plan is
an optimal search tree, and Knuth's bounds hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from operator import mul

LEAST_RISK, MOST_RISK = 0.001, 0.999
# A prefix that passes less often than this is never the best; so the plan looks no further.
LEAST_CHANCE = 0.2
PLANS_KEPT = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """The expected numbers of checks.

    `expected[i]` settles all tasks from i on. `bad[i][j]` does the same when the tasks from i to j
    are known to hold a culprit, and then the tasks from i to `cut[i][j]` are checked. `ok[i][k]` is
    the chance that k tasks from i on hold none.
    """

    expected: list[float]
    bad: Sequence[dict[int, float]]
    cut: Sequence[dict[int, int]]
    ok: Sequence[Sequence[float]]

    def fresh(self, i: int, x: int) -> float:
        """Return the expected checks if the tasks from i to x are checked, with nothing known."""
        chance = self.ok[i][x - i]
        return 1.0 + chance * self.expected[x] + (1.0 - chance) * self.bad[i][x]

    def split(self, i: int, x: int, j: int) -> float:
        """Return the expected checks if i to x are checked, where i to j hold a culprit."""
        both = self.ok[i][j - i]
        chance = (self.ok[i][x - i] - both) / (1.0 - both)
        return 1.0 + chance * self.bad[x][j] + (1.0 - chance) * self.bad[i][x]

    def widest(self, i: int) -> int:
        """Return the end of the longest prefix from i on that is worth a check."""
        chances = self.ok[i]
        size = 1
        while size + 1 < len(chances) and chances[size + 1] >= LEAST_CHANCE:
            size += 1
        return i + size

    def fill(self, i: int, j: int) -> None:
        """Compute `bad[i][j]`, which is missing where the plan itself looks no further."""
        for row in range(j - 1, i - 1, -1):
            self.fill_row(row, j)

    def fill_row(self, i: int, end: int) -> None:
        """Compute `bad[i]` up to `end`. The rows behind it must be there."""
        bad, cut, below = self.bad[i], self.cut[i], self.cut[i + 1]
        for j in range(i + 2, end + 1):
            if j not in bad:
                bad[j], cut[j] = min(
                    (self.split(i, x, j), x)
                    for x in range(cut.get(j - 1, i + 1), below.get(j, i + 1) + 1)
                )


def choose_prefix(risks: Sequence[float], *, passed: int, failed: int | None) -> int:
    """Return the length of the prefix to check next.

    `risks` are the probabilities that each task is a culprit. The prefix lies between the green
    one of length `passed` and the red one of length `failed`. When `failed` is None, nothing is
    known of the tasks after `passed`. Raises ValueError when no task is left.
    """
    if not risks[passed:]:
        raise ValueError("every task has passed")
    # What settles the tasks from i on does not depend on those before i. So the front is filled
    # up, and batches of similar tasks share a plan.
    added = _round_up(len(risks)) - len(risks)
    plan, start = _make_plan((risks[0],) * added + tuple(risks)), passed + added
    if failed is None:
        sizes = range(start + 1, plan.widest(start) + 1)
        return min(sizes, key=lambda x: plan.fresh(start, x)) - added
    end = failed + added
    plan.fill(start, end)
    return plan.cut[start][end] - added


def _round_up(size: int) -> int:
    return max(8, 1 << (size - 1).bit_length())


@lru_cache(maxsize=PLANS_KEPT)
def _make_plan(risks: tuple[float, ...]) -> _Plan:
    n = len(risks)
    fine = [1.0 - min(max(risk, LEAST_RISK), MOST_RISK) for risk in risks]
    ok = [list(accumulate(fine[i:], mul, initial=1.0)) for i in range(n + 1)]
    bad: list[dict[int, float]] = [{} for _ in range(n + 1)]
    cut: list[dict[int, int]] = [{} for _ in range(n + 1)]
    plan = _Plan(expected=[0.0] * (n + 1), bad=bad, cut=cut, ok=ok)
    for i in range(n - 1, -1, -1):
        plan.bad[i][i + 1] = plan.expected[i + 1]
        widest = plan.widest(i)
        plan.fill_row(i, widest)
        plan.expected[i] = min(plan.fresh(i, x) for x in range(i + 1, widest + 1))
    return plan
