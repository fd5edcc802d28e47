"""Measures runs with sleeping agents against the lower bound of all schedules.

Runs each case through the command line; first-in-first-out and waves are computed for the same
tasks, without any overhead. Fails when a run takes longer than its limit: a factor on the lower
bound, plus one second, plus 0.15 seconds for each task on the critical path.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from statistics import median

from rivals import Tasks, critical_path, first_in_first_out, lower_bound, waves
from trial import Trial, Work

SEEDS = (1, 2, 3, 4, 5)
ONCE_SECONDS = 1.0
TASK_SECONDS = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A set of tasks, with the allowed factor on their lower bound."""

    name: str
    tasks: Tasks
    slots: int
    factor: float

    @property
    def limit(self) -> float:
        bound = self.factor * lower_bound(self.tasks, self.slots)
        return bound + ONCE_SECONDS + TASK_SECONDS * critical_path(self.tasks)[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The seconds of one case; only `measured` and `first_agent` are of real runs."""

    case: str
    lower_bound: float
    fifo: float
    waves: float
    planned: float
    measured: float
    first_agent: float
    limit: float
    load: float
    holds: bool

    def document(self) -> dict[str, object]:
        """Return the fields, grouped into measured and computed ones."""
        fields = asdict(self)
        measured = {name: fields.pop(name) for name in ("first_agent", "load")}
        measured["all"] = fields.pop("measured")
        about = {name: fields.pop(name) for name in ("case", "holds")}
        return {**about, "measured": measured, "computed_without_overhead": fields}


def make_cases() -> Iterator[Case]:
    rng = random.Random(0)
    free = [Work(name=f"free{n:02}", seconds=_some_seconds(rng)) for n in range(24)]
    yield Case(name="24 independent", tasks=_named(free), slots=8, factor=1.05)
    short = [Work(name=f"short{n:02}", seconds=0.3) for n in range(12)]
    links = [Work(name=f"link{n}", seconds=1.0, needs=_link_before(n)) for n in range(6)]
    beside = rng.sample(short + links, 18)
    yield Case(name="chain of 6 beside 12", tasks=_named(beside), slots=4, factor=1.05)
    for seed in SEEDS:
        yield Case(name=f"64 mixed, seed {seed}", tasks=make_mixed(seed), slots=8, factor=1.10)


def make_mixed(seed: int, count: int = 64, needy: float = 0.35, excluded: float = 0.03) -> Tasks:
    """Return random tasks: a share of them has one need, a share of all pairs touches one file."""
    rng = random.Random(seed)
    names = [f"task{n:02}" for n in range(count)]
    with_need = rng.sample(range(1, count), round(needy * count))
    needs = {names[n]: (names[rng.randrange(n)],) for n in with_need}
    pairs = rng.sample(_unordered(names, needs), round(excluded * count * (count - 1) / 2))
    works = [
        Work(
            name=name,
            seconds=_some_seconds(rng),
            needs=needs.get(name, ()),
            touches=tuple(f"both-{a}-{b}" for a, b in pairs if name in (a, b)),
        )
        for name in names
    ]
    return _named(works)


def _link_before(number: int) -> tuple[str, ...]:
    return (f"link{number - 1}",) if number else ()


def _some_seconds(rng: random.Random) -> float:
    return round(rng.uniform(0.5, 3.0), 2)


def _named(works: Sequence[Work]) -> Tasks:
    return {work.name: work for work in works}


def _unordered(names: Sequence[str], needs: Mapping[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    """Return the pairs in which neither needs the other, not even indirectly."""
    above: dict[str, set[str]] = {}
    for name in names:
        direct = needs.get(name, ())
        above[name] = {*direct, *(far for one in direct for far in above[one])}
    return [(a, b) for a, b in combinations(names, 2) if a not in above[b]]


def measure(case: Case, folder: Path, *, rounds: int) -> Row:
    trials = [Trial(folder / str(n), list(case.tasks.values())) for n in range(rounds)]
    plan = trials[0].plan(case.slots)
    check_plan(plan, case)
    results = [trial.run(case.slots) for trial in trials]
    seconds = median(result.seconds for result in results)
    return Row(
        case=case.name,
        lower_bound=lower_bound(case.tasks, case.slots),
        fifo=first_in_first_out(case.tasks, case.slots),
        waves=waves(case.tasks, case.slots),
        planned=plan["makespan_seconds"],
        measured=seconds,
        first_agent=median(result.first_agent_seconds for result in results),
        limit=case.limit,
        load=max(result.load for result in results),
        holds=seconds <= case.limit,
    )


def check_plan(plan: Mapping[str, Sequence[object]], case: Case) -> None:
    """Exit if the plan has other needs or exclusions than the case, which would be unfair."""
    needs = sum(len(work.needs) for work in case.tasks.values())
    pairs = len({file for work in case.tasks.values() for file in work.touches})
    if (len(plan["needs"]), len(plan["exclusions"])) != (needs, pairs):
        sys.exit(f"{case.name}: the plan has other needs or exclusions than the case")


def show(rows: Sequence[Row]) -> None:
    print("seconds             |        computed, no overhead        |      measured")
    print("                    | bound    FIFO     waves    our plan | first agent   all   limit")
    for row in rows:
        print(
            f"{row.case:<20}|{row.lower_bound:6.2f}{row.fifo:8.2f}{row.waves:10.2f}"
            f"{row.planned:12.2f} |{row.first_agent:12.2f}{row.measured:6.2f}{row.limit:8.2f}"
            f"  {'holds' if row.holds else 'MISSED'}"
        )
    loads = [row.load for row in rows]
    print(f"load of the machine before each run: {min(loads):.1f} to {max(loads):.1f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", help="where to work, such as a disk in memory")
    parser.add_argument("--rounds", type=int, default=1, help="the median of so many runs counts")
    parser.add_argument("--only", default="", help="cases whose names begin so")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    cases = [case for case in make_cases() if case.name.startswith(options.only)]
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        rows = [
            measure(case, Path(scratch, str(n)), rounds=options.rounds)
            for n, case in enumerate(cases)
        ]
    if options.json:
        print(json.dumps([row.document() for row in rows], indent=2))
    else:
        show(rows)
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
