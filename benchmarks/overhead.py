"""Measures the overhead of a run with instant agents against a script that does it by hand.

Fails when a further task costs more than five times what it costs the script, or when the first
agent starts later than one second after the process.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from trial import Result, Trial, Work

FEW, MANY = 16, 64
SLOTS = 8
FACTOR = 5.0
FIRST_AGENT_SECONDS = 1.0
BY_HAND = Path(__file__).with_name("by_hand.sh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The medians over the rounds, in seconds; `each` is the cost of a further task."""

    few: float
    many: float
    processor_each: float

    @property
    def each(self) -> float:
        return (self.many - self.few) / (MANY - FEW)


def run_ours(folder: Path, count: int) -> Result:
    return _checked(_trial(folder, count).run(SLOTS), count)


def run_by_hand(folder: Path, count: int) -> Result:
    trial = _trial(folder, count)
    prompts = sorted(map(str, (folder / "prompts").iterdir()))
    places = [str(trial.repository), str(folder / "worktrees")]
    command = ["sh", str(BY_HAND), *places, trial.agent, "true", *prompts]
    return _checked(trial.measure(command), count)


def _trial(folder: Path, count: int) -> Trial:
    return Trial(folder, [Work(name=f"task{number:02}") for number in range(count)])


def _checked(result: Result, count: int) -> Result:
    if result.landed != count:
        sys.exit(f"{result.landed} of {count} tasks landed")
    return result


def summarise(results: Mapping[int, list[Result]]) -> Cost:
    seconds, processor = (
        {count: median(getattr(one, name) for one in found) for count, found in results.items()}
        for name in ("seconds", "processor_seconds")
    )
    each = (processor[MANY] - processor[FEW]) / (MANY - FEW)
    return Cost(few=seconds[FEW], many=seconds[MANY], processor_each=each)


def measure(scratch: Path, rounds: int) -> dict[str, dict[int, list[Result]]]:
    """Run both ways in turn, so that a busy machine slows both."""
    ways = {"ours": run_ours, "by hand": run_by_hand}
    found: dict[str, dict[int, list[Result]]] = {name: {FEW: [], MANY: []} for name in ways}
    run_ours(scratch / "warm", 1)
    for number in range(rounds):
        for count in (FEW, MANY):
            for name, run in ways.items():
                os.sync()  # neither way pays for what the other left to the disk
                result = run(scratch / f"{name} {count} {number}".replace(" ", "-"), count)
                found[name][count].append(result)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", help="where to work, such as a disk in memory")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        found = measure(Path(scratch), options.rounds)
    costs = {name: summarise(results) for name, results in found.items()}
    loads = [one.load for results in found.values() for some in results.values() for one in some]
    ours = [one for results in found["ours"].values() for one in results]
    first = median(one.first_agent_seconds for one in ours)
    limit = FACTOR * costs["by hand"].each
    holds = {"slope": costs["ours"].each <= limit, "first agent": first <= FIRST_AGENT_SECONDS}
    if options.json:
        document = {
            "all_measured": True,
            "costs": {name: {**asdict(cost), "each": cost.each} for name, cost in costs.items()},
            "first_agent_seconds": first,
            "limit_each": limit,
            "holds": holds,
            "loads": loads,
        }
        print(json.dumps(document, indent=2))
        return 0 if all(holds.values()) else 1
    show(costs, first=first, limit=limit, holds=holds, rounds=options.rounds)
    print(f"load of the machine before each run: {min(loads):.1f} to {max(loads):.1f}")
    return 0 if all(holds.values()) else 1


def show(
    costs: Mapping[str, Cost], *, first: float, limit: float, holds: Mapping[str, bool], rounds: int
) -> None:
    cores = len(os.sched_getaffinity(0))
    print(f"instant agents, {SLOTS} slots, {cores} cores; medians of {rounds}, all measured")
    print(f"{'':10}{FEW:>5} tasks{MANY:>5} tasks   one more task   its processor time")
    for name, cost in costs.items():
        print(
            f"{name:10}{cost.few:9.2f} s{cost.many:9.2f} s{1000 * cost.each:13.1f} ms"
            f"{1000 * cost.processor_each:18.1f} ms"
        )
    say = {True: "holds", False: "MISSED"}
    each = 1000 * costs["ours"].each
    print(f"one more task: {each:.1f} ms <= {1000 * limit:.1f} ms  {say[holds['slope']]}")
    print(f"first agent: {first:.2f} s <= {FIRST_AGENT_SECONDS:.2f} s  {say[holds['first agent']]}")


if __name__ == "__main__":
    sys.exit(main())
