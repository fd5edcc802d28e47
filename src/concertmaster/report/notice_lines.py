"""Describes in words what a run learnt about its tasks while it went on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from concertmaster.report.foresight_rows import ForesightTotals
from concertmaster.report.model import Report
from concertmaster.run.notices import Notice, NoticeKind
from concertmaster.text.display import count, display

MOST_PATHS_NAMED = 3
MOST_PAIRS_NAMED = 5
FORESIGHT_COLUMNS = ("task", "predicted", "changed", "both", "precision", "recall", "not predicted")


def describe_notice(notice: Notice) -> str:
    """Return what an observation means for two tasks, in words."""
    one, other = notice.tasks
    paths = name_paths(notice.paths)
    if notice.kind is NoticeKind.KEPT_APART:
        return f"{one}  waits for {other}: both are likely to change {paths}"
    if notice.kind is NoticeKind.RELEASED:
        return f"{one}  need not wait for {other}, whose files are known now: not {paths}"
    if notice.kind is NoticeKind.YIELDED:
        return f"{one}  goes on behind {other}, which changed {paths} first"
    return f"{one}  changes {paths}, which {other} works on at the same time"


def name_paths(paths: tuple[str, ...]) -> str:
    """Return the first three paths and the number of the others."""
    more = len(paths) - MOST_PATHS_NAMED
    shown = [display(path, limit=80) for path in paths[:MOST_PATHS_NAMED]]
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _say_totals(foresight: ForesightTotals) -> str:
    predicted = count(foresight.predicted, "predicted file")
    changed = count(foresight.changed, "changed file")
    right = f" (precision {_percent(foresight.precision)})" if foresight.predicted else ""
    found = f" (recall {_percent(foresight.recall)})" if foresight.changed else ""
    hits = foresight.hits
    were = "was" if hits == 1 else "were"
    return f"{hits} of {predicted} changed{right}, {hits} of {changed} {were} predicted{found}"


def foresight_facts(foresight: ForesightTotals) -> Iterator[tuple[str, str]]:
    """Yield how good the prediction was as pairs of label and text; none if that is not known."""
    if foresight.predicted or foresight.changed:
        yield "foresight", _say_totals(foresight)
    for missed in foresight.missed[:MOST_PAIRS_NAMED]:
        yield (
            "not foreseen",
            f"{' and '.join(missed.tasks)} both changed {name_paths(missed.paths)}",
        )
    more = len(foresight.missed) - MOST_PAIRS_NAMED
    if more > 0:
        yield "not foreseen", f"{count(more, 'more pair')} in report.json"
    kinds = Counter(notice.kind for notice in foresight.notices)
    if kinds:
        apart = count(kinds[NoticeKind.KEPT_APART], "pair")
        others = f"{kinds[NoticeKind.RELEASED]} released, {kinds[NoticeKind.ENTERED]} met"
        behind = kinds[NoticeKind.YIELDED]
        went = f", {behind} put behind the other" if behind else ""
        yield "learnt on the way", f"{apart} kept apart, {others} in the same files{went}"


def foresight_rows(report: Report) -> Iterator[tuple[str, ...]]:
    """Yield the cells of FORESIGHT_COLUMNS for each task whose changed files are known."""
    for task in report.tasks:
        row = task.foresight
        if row.changed is None:
            continue
        both = {*row.predicted} & {*row.changed}
        missing = tuple(path for path in row.changed if path not in both)
        yield (
            task.id,
            str(len(row.predicted)),
            str(len(row.changed) + row.left_out),
            str(len(both)),
            _percent(row.precision),
            _percent(row.recall),
            name_paths(missing),
        )


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"
