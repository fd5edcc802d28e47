"""Weighs two footprints: the chances that they share a file and that their changes collide."""

from __future__ import annotations

import math
import posixpath
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from concertmaster.insight.calibration import Calibration, resemblance, share_chance
from concertmaster.insight.changelogs import is_changelog
from concertmaster.model import FootprintEntry, PairHistory

# P(conflict) of two tasks that edit the same file: 499 of 652 pairs of CooperBench.
CONFLICT_IN_SHARED_FILE = 0.765
CONFLICT_NEARBY = 0.9  # their lines touch
CONFLICT_APART = 0.25  # their lines do not touch, but the lines are a guess
# Log-odds of a conflict in a file by the likeness of the definitions that two prompts point at,
# from 396 pairs of CooperBench.
CONFLICT_BIAS = -1.14
CONFLICT_SLOPE = 3.04
# The same where both prompts name the file, which tells more: by the definitions alone, and with
# the likeness of the names of code that each prompt has in common with the file (451 pairs).
NAMED_BIAS = -1.8
NAMED_SLOPE = 4.5
NAMES_BIAS = -2.1
NAMES_DEFINITIONS_SLOPE = 2.3
NAMES_SLOPE = 3.1
USUAL_LIKENESS = 0.5  # of the definitions, where only the names are known
FEWEST_NAMES = 3  # fewer tell nothing
# How much likelier two prompts may share a file than if they were independent. A file that many
# commits change makes footprints alike, even where one of them hardly touches it.
MOST_ALIKE = 2.0
SURE = 0.8  # a file that a prompt names or declares; such files are independent of the rest
# How much it counts in log-odds that changes of the file often lay side by side.
HISTORY_WEIGHT = 0.75
NAMED_HISTORY_WEIGHT = 0.15
EVIDENCE = 6.0  # pairs of past commits that count as much as these rates
NEAR_LINES = 3
MOST_CLOSE_PATHS = 100  # that a plan keeps, the most frequent ones
CAUSE = 0.3  # of the worst path; others do not account for a collision

# Files that a tool merges or makes anew, so that a conflict in them costs little.
HARMLESS_NAMES = {
    "package-lock.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "poetry.lock",
    "uv.lock",
    "cargo.lock",
    "go.sum",
}
CONFLICT_IN_HARMLESS_FILE = 0.2
# Entries at one place of a changelog are joined when they land. Of 22 conflicts of past commits in
# changelogs of click, jinja, express and httpx 17 are.
CONFLICT_IN_CHANGELOG = 0.1
NOTHING_LEARNT = Calibration()


def keep_history(learnt: Calibration, paths: Collection[str] = ()) -> PairHistory:
    """Return the part of what was learnt that weighs pairs while a run goes on.

    It holds the given paths and the most frequent ones.
    """
    often = sorted(learnt.close, key=lambda path: (-learnt.close[path][1], path))
    kept = {*often[:MOST_CLOSE_PATHS], *(path for path in paths if path in learnt.close)}
    return PairHistory(pair=learnt.pair, close={path: learnt.close[path] for path in sorted(kept)})


def recall_history(history: PairHistory) -> Calibration:
    """Return what a plan kept of its repository's history, as `meet` takes it."""
    return Calibration(pair=history.pair, close=history.close)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """The chances that two tasks change a common file, and that their changes collide.

    `paths` are the common files that account for most of it, the likeliest collision first.
    """

    share: float
    collision: float
    paths: tuple[str, ...]


def meet(
    one: Sequence[FootprintEntry],
    other: Sequence[FootprintEntry],
    learnt: Calibration = NOTHING_LEARNT,
) -> Meeting:
    """Return how likely the tasks with these footprints collide."""
    ours, theirs = _by_path(one), _by_path(other)
    sure_apart = none_shared = none_collides = 1.0
    weight = most = worst = most_sure = 0.0
    ranked = []
    for path in [path for path in ours if path in theirs]:
        both = ours[path].probability * theirs[path].probability
        rate = conflict_rate(ours[path], theirs[path], learnt.close)
        if min(ours[path].probability, theirs[path].probability) >= SURE:
            sure_apart *= 1.0 - both
            # Prompts that are alike in one file are alike in the next one, so these do not add up.
            worst = max(worst, both * rate)
            most_sure = max(most_sure, both)
        else:
            none_shared *= 1.0 - both
            none_collides *= 1.0 - both * rate
        weight += both
        most += min(ours[path].probability, theirs[path].probability)
        ranked.append((-both * rate, path))
    none_shared *= 1.0 - most_sure
    none_collides *= 1.0 - worst
    if none_shared == 1.0:
        return Meeting(share=0.0, collision=0.0, paths=())
    share = share_chance(resemblance(_chances(ours), _chances(theirs)), learnt.pair)
    # They cannot share a file more often than one of them touches it.
    share = min(share, most, MOST_ALIKE * weight)
    return Meeting(
        share=max(share, 1.0 - sure_apart),
        # Not a mean of the rates: a file without danger makes another one no safer.
        collision=max(share * (1.0 - none_collides) / (1.0 - none_shared), worst),
        paths=_name_causes(ranked),
    )


def _name_causes(ranked: Sequence[tuple[float, str]]) -> tuple[str, ...]:
    """Return the paths that account for most of the danger, the worst first."""
    ordered = sorted(ranked)
    return tuple(path for danger, path in ordered if danger <= CAUSE * ordered[0][0])


def _by_path(footprint: Sequence[FootprintEntry]) -> dict[str, FootprintEntry]:
    """Return the likeliest entry of each path."""
    ordered = sorted(footprint, key=lambda entry: entry.probability)
    return {entry.path: entry for entry in ordered}


def _chances(entries: Mapping[str, FootprintEntry]) -> dict[str, float]:
    return {path: entry.probability for path, entry in entries.items()}


def conflict_rate(
    one: FootprintEntry,
    other: FootprintEntry,
    close: Mapping[str, tuple[int, int]],
) -> float:
    """Return P(conflict) of two tasks that both change the path of these entries.

    `close` are the pairs of past commits that changed a path side by side, and all pairs.
    """
    if posixpath.basename(one.path).lower() in HARMLESS_NAMES:
        return CONFLICT_IN_HARMLESS_FILE
    if is_changelog(one.path):
        return CONFLICT_IN_CHANGELOG
    near, pairs = close.get(one.path, (0, 0))
    usual = (near + EVIDENCE * CONFLICT_IN_SHARED_FILE) / (pairs + EVIDENCE)
    unusual = _log_odds(usual) - _log_odds(CONFLICT_IN_SHARED_FILE)
    alike = _likeness(dict(one.definitions), dict(other.definitions))
    by_names = _weigh_names(alike, _compare_names(one.names, other.names))
    if by_names is not None and min(one.probability, other.probability) >= SURE:
        return _chance(by_names + NAMED_HISTORY_WEIGHT * unusual)
    by_place = _expected_rate(one, other, alike)
    if by_place is None:
        return usual
    sure = one.probability * other.probability  # where the file is a guess, the place is another
    by_place = _chance(_log_odds(by_place) + HISTORY_WEIGHT * unusual)
    return sure * by_place + (1.0 - sure) * usual


def _weigh_names(alike: float | None, names: float | None) -> float | None:
    """Return the log-odds of a conflict in a file that both prompts name, None if unknown."""
    if names is not None:
        known = USUAL_LIKENESS if alike is None else alike
        return NAMES_BIAS + NAMES_DEFINITIONS_SLOPE * known + NAMES_SLOPE * names
    return None if alike is None else NAMED_BIAS + NAMED_SLOPE * alike


def _compare_names(one: Collection[str], other: Collection[str]) -> float | None:
    """Return the likeness of two sets of names, between 0 and 1; None if one is too small."""
    if min(len(one), len(other)) < FEWEST_NAMES:
        return None
    return _likeness(dict.fromkeys(one, 1.0), dict.fromkeys(other, 1.0))


def _log_odds(chance: float) -> float:
    return math.log(chance / (1.0 - chance))


def _chance(log_odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-log_odds))


def _expected_rate(one: FootprintEntry, other: FootprintEntry, alike: float | None) -> float | None:
    """Return P(conflict) by the places in the file that two entries tell, None without any."""
    if alike is not None:
        return _chance(CONFLICT_BIAS + CONFLICT_SLOPE * alike)
    if one.lines is None or other.lines is None:
        return None
    apart = max(one.lines[0], other.lines[0]) - min(one.lines[1], other.lines[1])
    return CONFLICT_NEARBY if apart <= NEAR_LINES else CONFLICT_APART


def _likeness(one: Mapping[str, float], other: Mapping[str, float]) -> float | None:
    """Return the cosine of two sets of shares, between 0 and 1; None if one has none."""
    if not one or not other:
        return None
    common = sum(share * other.get(name, 0.0) for name, share in one.items())
    lengths = [math.sqrt(sum(share * share for share in each.values())) for each in (one, other)]
    return common / (lengths[0] * lengths[1]) if common else 0.0
