"""Counts the check runs that landing needs, beside what other rules need for the same culprits.

Plays the merge queue itself in memory: `n` changes, each a culprit with probability `p`. A check
fails when the tree holds a culprit. Confirmations and checks of the base are counted apart. The
bound is the sum of the entropies. Times the merges too. Fails when a number is above its limit.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from math import log2
from statistics import fmean

from merge_times import BRANCHES, FILES, measure_merges

from concertmaster.commands import CheckBatch, LandBatch
from concertmaster.events import BatchChecked, BatchLanded
from concertmaster.landing import merge_queue
from concertmaster.landing.merge_queue import Landing, QueuedTask, SettledTasks
from concertmaster.run.state_machine import PRIOR_RISK

SIZES = (8, 16, 64, 256)
RATES = (0.01, 0.05, 0.10, 0.20)
RUNS = 3000
SAFE_RISK, RISKY_RISK, RISKY = 0.02, 0.30, 8  # of the case with known, unequal probabilities
Bad = Callable[[frozenset[str]], bool]
Start = Landing(tip="base", tip_green=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """The checks of one played run."""

    checks: int
    confirmations: int
    landed: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The mean check runs of one case; `limit` is 0 where none is set."""

    case: str
    bound: float
    queue: float
    most: int
    confirmations: float
    prefixes: float
    halving: float
    one_by_one: float
    limit: float
    holds: bool


def play_queue(risks: Sequence[float], bad: Bad) -> Count:
    """Land the changes by the merge queue; `bad` says which set of changes fails the check."""
    landing, red = Start, frozenset[str]()
    open_tasks = {task.task: task for task in map(_queue_task, range(len(risks)), risks)}
    landed = dict[str, str]()
    lost = set[str]()
    checks = confirmations = 0
    while True:
        settled = SettledTasks(intact=landed, landed=frozenset(landed), lost=frozenset(lost))
        step = merge_queue.advance_queue(landing, tuple(open_tasks.values()), settled=settled)
        landing = step.landing
        for culprit in step.culprits:
            lost.add(culprit)
            del open_tasks[culprit]
        if isinstance(step.command, CheckBatch):
            event = _check(step.command, bad, frozenset(landed))
            is_again = event.tree in red
            confirmations += is_again
            checks += not (is_again or event.cached)
            red |= frozenset() if event.passed else {event.tree}
            landing = merge_queue.record_check(landing, event)
        elif isinstance(step.command, LandBatch):
            landed |= {task: open_tasks.pop(task).head for task in step.command.tasks}
            landing = merge_queue.record_landed(
                landing,
                BatchLanded(tasks=step.command.tasks, tip=landing.tip, commit=step.command.commit),
            )
        elif not step.culprits:
            return Count(checks=checks, confirmations=confirmations, landed=frozenset(landed))


def _queue_task(number: int, risk: float) -> QueuedTask:
    name = f"t{number:03}"
    return QueuedTask(
        task=name, title=name, base="base", head=name, built_on=(), needs=frozenset(), risk=risk
    )


def _check(command: CheckBatch, bad: Bad, landed: frozenset[str]) -> BatchChecked:
    tasks = tuple(candidate.task for candidate in command.candidates)
    tree = "+".join(sorted(landed | {*tasks}))
    known = tree in command.green | command.red
    passed = tree in command.green if known else not bad(landed | {*tasks})
    return BatchChecked(
        tasks=tasks,
        tip=command.tip,
        commit=tree,
        tree=tree,
        passed=passed,
        reason="red",
        seconds=1.0,
        cached=known,
    )


def count_prefixes(culprits: Sequence[bool]) -> int:
    """Return the checks of a binary search over prefixes, the union first."""
    start, checks = 0, 0
    while start < len(culprits):
        checks += 1
        if not any(culprits[start:]):
            return checks
        low, high = start, len(culprits)
        while high - low > 1:
            middle = (low + high) // 2
            checks += 1
            low, high = (low, middle) if any(culprits[start:middle]) else (middle, high)
        start = high
    return checks


def count_halving(culprits: Sequence[bool]) -> int:
    """Return the checks of bors: a red batch is split into two, and nothing is inferred."""
    if not any(culprits) or len(culprits) == 1:
        return 1
    middle = len(culprits) // 2
    return 1 + count_halving(culprits[:middle]) + count_halving(culprits[middle:])


def entropy(risks: Sequence[float]) -> float:
    """Return the sum of the binary entropies, the least mean number of checks."""
    return sum(-p * log2(p) - (1 - p) * log2(1 - p) for p in risks if 0.0 < p < 1.0)


def measure(
    case: str,
    risks: Sequence[float],
    *,
    runs: int,
    factor: float | None = None,
    assumed: Sequence[float] = (),
) -> Row:
    """Return the mean check runs over `runs` seeded draws of culprits.

    `factor` times the bound is the limit of the mean. The queue is told the risks in `assumed`.
    """
    rng = random.Random(case)
    counts, prefixes, halvings = list[Count](), list[int](), list[int]()
    for _ in range(runs):
        culprits = [rng.random() < risk for risk in risks]
        names = frozenset(f"t{number:03}" for number, is_bad in enumerate(culprits) if is_bad)
        count = play_queue(assumed or risks, lambda held, names=names: not names.isdisjoint(held))
        assert count.landed == {f"t{n:03}" for n in range(len(risks))} - names
        counts.append(count)
        prefixes.append(count_prefixes(culprits))
        halvings.append(count_halving(culprits))
    bound, mean = entropy(risks), fmean(count.checks for count in counts)
    limit, most = (factor or 0.0) * bound, max(count.checks for count in counts)
    is_capped = most <= 1.5 * len(risks) + 2
    return Row(
        case=case,
        bound=bound,
        queue=mean,
        most=most,
        confirmations=fmean(count.confirmations for count in counts),
        prefixes=fmean(prefixes),
        halving=fmean(halvings),
        one_by_one=len(risks),
        limit=limit,
        holds=is_capped and (factor is None or mean <= limit),
    )


def measure_pair(size: int, *, limit: int, runs: int) -> Row:
    """Return the checks for one pair of changes that fail only together.

    The risks are those that the engine assumes. This is the published scenario of mergetrain.
    """
    rng = random.Random(size)
    counts = list[Count]()
    for _ in range(runs):
        pair = frozenset(f"t{n:03}" for n in rng.sample(range(size), 2))
        counts.append(play_queue([PRIOR_RISK] * size, pair.issubset))
    totals = [count.checks for count in counts]
    return Row(
        case=f"n={size}, one pair clashes",
        bound=log2(size),
        queue=fmean(totals),
        most=max(totals),
        confirmations=fmean(count.confirmations for count in counts),
        prefixes=0.0,
        halving=0.0,
        one_by_one=size,
        limit=limit,
        holds=fmean(totals) <= limit,
    )


def make_rows(runs: int, sizes: Sequence[int]) -> Iterator[Row]:
    """Yield the rows of all cases; the largest size is played a tenth as often."""
    for size, rate in product(sizes, RATES):
        factor = 1.10 if size == 64 and rate <= 0.05 else None
        plays = max(1, runs // 10) if size > 64 else runs
        yield measure(f"n={size}, p={rate:.0%}", [rate] * size, runs=plays, factor=factor)
    unequal = [SAFE_RISK] * (64 - RISKY) + [RISKY_RISK] * RISKY
    yield measure("n=64, p unequal and known", unequal, runs=runs, factor=1.06)
    yield measure("n=64, p=40%, 2% assumed", [0.40] * 64, assumed=[0.02] * 64, runs=runs)
    yield measure("n=64, all fail, 2% assumed", [1.0] * 64, assumed=[0.02] * 64, runs=1)
    yield measure_pair(16, limit=7, runs=runs)
    yield measure_pair(64, limit=9, runs=runs)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--files", type=int, default=FILES, help="of the repository; 0: no merges")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = print_checks(options.runs, options.sizes)
    times = list(measure_merges(options.files, BRANCHES)) if options.files else []
    for time in times:
        print(f"{time.case:64} {time.seconds:6.2f} s", file=sys.stderr)
    if options.json:
        print(json.dumps([asdict(row) for row in (*rows, *times)], indent=1))
    return 0 if all(row.holds for row in (*rows, *times)) else 1


def print_checks(runs: int, sizes: Sequence[int]) -> list[Row]:
    """Print the check runs of all cases and return them."""
    rows = []
    print(
        f"{'case':32} {'bound':>6} {'queue':>6} {'most':>5} {'conf.':>6} {'prefix':>7} "
        f"{'halving':>8} {'limit':>6}",
        file=sys.stderr,
    )
    for row in make_rows(runs, sizes):
        rows.append(row)
        print(
            f"{row.case:32} {row.bound:6.1f} {row.queue:6.2f} {row.most:5} "
            f"{row.confirmations:6.2f} {row.prefixes:7.2f} {row.halving:8.2f} {row.limit:6.2f}"
            f"{'' if row.holds else '  too many'}",
            file=sys.stderr,
        )
    return rows


if __name__ == "__main__":
    sys.exit(main())
