"""Measures the path policy on histories: the share of commits that a person would have to land.

    python benchmarks/policy.py CLONE...

Judges the last commits of each clone that change source code, as if each were a task's change on
its parent, with the check and the setup that are found there. Prints the share that is held by
class. Goals over all clones: at most 25 %, and at most 15 % with `manifests: allow`.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from concertmaster.git.blobs import read_file
from concertmaster.git.run_repository import RunRepository
from concertmaster.landing.judge_change import ChangeJudge
from concertmaster.landing.path_classes import PathClass
from concertmaster.landing.path_policy import PathVerdict, RunPlace
from concertmaster.model import Plan, RunSettings
from concertmaster.planning.detect_commands import FILES, detect_commands
from concertmaster.settings.choices import Manifests

COMMITS = 300
GOALS = {Manifests.HOLD: 0.25, Manifests.ALLOW: 0.15}
SOURCE = frozenset(
    ".py .pyi .js .jsx .ts .tsx .mjs .cjs .rs .go .java .kt .rb .c .h .cc .cpp .hpp .cs .swift .php"
    " .scala .ex .exs .sh".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A commit that changes source, with the verdict on it."""

    commit: str
    verdict: PathVerdict

    def is_held(self, manifests: Manifests) -> bool:
        """Return whether a person has to land it under this setting."""
        classes = set(self.verdict.classes)
        if manifests is Manifests.ALLOW:
            classes.discard(PathClass.DEPENDENCIES)
        return bool(self.verdict.refused or classes)


def judge_history(clone: Path) -> Iterator[Judged]:
    """Yield the newest commits of the clone that change source, judged on their parents."""
    objects = RunRepository.open(clone)
    log = objects.git.run("log", "--no-merges", "--min-parents=1", "--format=%H %P", "HEAD")
    found = 0
    for line in log.splitlines():
        commit, parent = line.split()[:2]
        changes = objects.changes(parent, commit)
        if not any(Path(one.path).suffix in SOURCE for one in changes):
            continue
        judge = ChangeJudge(objects=objects, plan=plan_at(objects, parent), place=RunPlace.GITHUB)
        yield Judged(commit=commit, verdict=judge.judge(parent, commit))
        found += 1
        if found == COMMITS:
            return


def plan_at(objects: RunRepository, commit: str) -> Plan:
    """Return a plan with the commands that are found at the commit."""
    paths = set(objects.paths(commit))
    read = {name: read_file(objects, commit, name) for name in FILES if name in paths}
    commands = detect_commands(paths, {name: data for name, data in read.items() if data})
    settings = RunSettings(agent="claude")
    if commands.check:
        settings = replace(settings, check=commands.check.command)
    if commands.setup:
        settings = replace(settings, setup=commands.setup.command)
    return Plan(run="r", base=commit, target="main", slots=1, settings=settings, tasks=())


def print_row(name: str, judged: list[Judged]) -> None:
    """Print the shares of one clone, by setting and by class."""
    shares = [sum(one.is_held(mode) for one in judged) / len(judged) for mode in GOALS]
    counted = Counter(kind for one in judged for kind in {*one.verdict.classes})
    counted["refused"] = sum(bool(one.verdict.refused) for one in judged)
    told = ", ".join(f"{kind} {number / len(judged):.0%}" for kind, number in counted.most_common())
    print(f"{name:28} {len(judged):4} {shares[0]:6.1%} {shares[1]:6.1%}  {told}")


def main() -> None:
    """Judge the histories and print a row for each, and one for all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clones", nargs="+", type=Path)
    parser.add_argument("--paths", action="store_true", help="print the paths that hold most")
    given = parser.parse_args()
    print(f"{'clone':28} {'':4} {'held':>6} {'allow':>6}  by class")
    everything: list[Judged] = []
    for clone in given.clones:
        judged = list(judge_history(clone))
        print_row(clone.name if clone.name != "repo" else clone.parent.name, judged)
        everything += judged
        if given.paths:
            named = Counter(path for one in judged for path in one.verdict.sensitive)
            print("    ", ", ".join(f"{path} {number}" for path, number in named.most_common(12)))
    print_row("all", everything)


if __name__ == "__main__":
    main()
