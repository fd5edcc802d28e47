"""Measures what the plan foresees: files of prompts, and pairs that collide.

Prompts are messages of past commits (`--history CLONE`, groups of eight consecutive commits at
the parent of the first) and the features of CooperBench (`--data FILE --repos FOLDER`). Files that
a commit adds do not count; commits that change more than 30 files are left out.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path
from statistics import fmean

from insight_cost import generate, measure_costs, read_messages
from insight_data import GROUP, Group, read_cooperbench, read_history
from insight_scores import (
    Guess,
    Pair,
    calibration_error,
    curve,
    empty_share,
    hit_at_1,
    kept_apart,
    ranking_quality,
    recall_at,
    stated_paths,
)

from concertmaster.git.repository import Repository
from concertmaster.insight.calibration import Calibration
from concertmaster.insight.foresight import foresee as foresee_files
from concertmaster.model import FootprintEntry
from concertmaster.planning.collisions import meet
from concertmaster.planning.exclusions import keep_apart, worth_excluding
from concertmaster.prompts.parser import parse_prompt

SLOTS = 4  # of the plans whose exclusions are judged
COST_HELP = "measure time and memory on a generated tree of 100,000 files, and on these clones"


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """The footprints of a group's prompts, and the seconds that they took."""

    group: Group
    footprints: tuple[tuple[FootprintEntry, ...], ...]
    seconds: float
    learnt: Calibration


def foresee(group: Group, cache: Path) -> Foreseen:
    """Return what the plan predicts for the prompts of the group."""
    started = time.monotonic()
    repository = Repository.open(group.repository)
    prompts = [
        parse_prompt(case.text.encode("utf-8", "replace"), path=f"prompts/p{at}.md")
        for at, case in enumerate(group.cases)
    ]
    seen = foresee_files(prompts, repository=repository, base=group.base, cache=cache)
    found = tuple(forecast.entries for forecast in seen.forecasts)
    return Foreseen(
        group=group,
        footprints=found,
        seconds=time.monotonic() - started,
        learnt=seen.calibration,
    )


def guesses_of(foreseen: Foreseen) -> list[Guess]:
    """Return the predictions beside the truth."""
    return [
        Guess(ranked=tuple((e.path, e.probability) for e in entries), actual=case.actual)
        for entries, case in zip(foreseen.footprints, foreseen.group.cases, strict=True)
    ]


def pairs_of(foreseen: Foreseen) -> list[Pair]:
    """Return all pairs of the group."""
    cases = foreseen.group.cases
    pairs = [*combinations(range(len(cases)), 2)]
    met = [meet(foreseen.footprints[a], foreseen.footprints[b], foreseen.learnt) for a, b in pairs]
    kept = keep_apart(met, tasks=len(cases), slots=SLOTS)
    found = []
    for number, ((a, b), chance) in enumerate(zip(pairs, met, strict=True)):
        found.append(
            Pair(
                share=chance.share,
                collision=chance.collision,
                apart=number in kept,
                shares=bool(cases[a].actual & cases[b].actual),
                conflicts=foreseen.group.conflicts.get((a, b)),
                is_joined=(a, b) in foreseen.group.joined,
            )
        )
    return found


def unrelated_parallel(foreseen: Sequence[Foreseen]) -> float | None:
    """Return the share of pairs of different groups, disjoint in truth, that stay parallel."""
    parallel = []
    for one, other in combinations(foreseen, 2):
        for a, b in product(range(len(one.group.cases)), range(len(other.group.cases))):
            if not one.group.cases[a].actual & other.group.cases[b].actual:
                chance = meet(one.footprints[a], other.footprints[b], one.learnt)
                parallel.append(chance.collision <= worth_excluding(GROUP, slots=SLOTS))
    return fmean(parallel) if parallel else None


def report(name: str, foreseen: Sequence[Foreseen], *, curves: bool) -> dict[str, object]:
    """Return all figures of one repository or of one set."""
    guesses = [guess for one in foreseen for guess in guesses_of(one)]
    pairs = [pair for one in foreseen for pair in pairs_of(one)]
    shares = [(p.share, p.shares) for p in pairs]
    collisions = [(p.collision, p.conflicts) for p in pairs if p.conflicts is not None]
    figures: dict[str, object] = {
        "name": name,
        "prompts": len(guesses),
        "empty": empty_share(guesses),
        "hit@1": hit_at_1(guesses),
        "recall@5": recall_at(5, guesses),
        "ece paths": calibration_error(stated_paths(guesses)),
        "sharing pairs": sum(p.shares for p in pairs),
        "pairs": len(pairs),
        "auc share": ranking_quality(shares),
        "apart@0.8": kept_apart(shares, parallel=0.8),
        "ece pairs": calibration_error(shares),
        "sharing apart": _mean(p.apart for p in pairs if p.shares),
        "others parallel": _mean(not p.apart for p in pairs if not p.shares),
        "conflicts": sum(truth for _, truth in collisions),
        "auc conflict": ranking_quality(collisions),
        "conflicts apart": _mean(p.apart for p in pairs if p.conflicts),
        "joined": sum(p.is_joined for p in pairs),
        "left conflicts apart": _mean(p.apart for p in pairs if p.conflicts and not p.is_joined),
        "clean or joined parallel": _mean(
            not p.apart for p in pairs if p.conflicts is False or p.is_joined
        ),
        "clean parallel": _mean(not p.apart for p in pairs if p.conflicts is False),
        "conflicts apart@0.8": kept_apart(collisions, parallel=0.8),
        "unrelated parallel": unrelated_parallel(foreseen),
        "seconds a group": fmean(one.seconds for one in foreseen),
    }
    if curves:
        figures["curve (threshold, conflicts apart, clean parallel)"] = curve(collisions)
    return figures


def _mean(truths: Iterable[bool]) -> float | None:
    known = list(truths)
    return fmean(known) if known else None


def _show(figures: dict[str, object]) -> None:
    rounded = {
        key: round(value, 3) if isinstance(value, float) else value
        for key, value in figures.items()
        if value is not None
    }
    print(json.dumps(rounded), flush=True)


def main() -> None:
    """Print the figures of every set, one JSON object on a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--history", type=Path, nargs="*", default=[], metavar="CLONE")
    parser.add_argument("--groups", type=int, default=5)
    parser.add_argument("--skip", type=int, default=0, help="newest commits to leave out")
    parser.add_argument("--data", type=Path, help="cooperbench-dev.json")
    parser.add_argument("--repos", type=Path, help="folder with the clones of CooperBench")
    parser.add_argument("--cache", type=Path, help="folder for what is learnt; a new one is cold")
    parser.add_argument("--curves", action="store_true")
    parser.add_argument("--cost", type=Path, nargs="*", metavar="CLONE", help=COST_HELP)
    asked = parser.parse_args()
    everything = []
    for clone in asked.history:
        groups = read_history(clone.resolve(), groups=asked.groups, skip=asked.skip)
        found = [foresee(group, asked.cache) for group in groups if group.cases]
        everything += found
        _show(report(clone.name, found, curves=asked.curves))
    if len(asked.history) > 1:
        _show(report("all histories", everything, curves=asked.curves))
    for named in (True, False) if asked.data else ():
        groups = read_cooperbench(asked.data, asked.repos.resolve(), named=named)
        found = [foresee(group, asked.cache) for group in groups]
        title = "CooperBench, files named" if named else "CooperBench, files not named"
        _show(report(title, found, curves=True))
    if asked.cost is not None:
        _report_costs(asked.cost)


def _report_costs(clones: Sequence[Path]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        texts = generate(scratch / "generated")
        _show(measure_costs(scratch / "generated", texts, cache=scratch / "cache"))
        for clone in clones:
            known = read_messages(clone.resolve())
            _show(measure_costs(clone.resolve(), known, cache=scratch / "cache"))


if __name__ == "__main__":
    main()
