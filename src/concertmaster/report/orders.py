"""Tells which tasks had to wait for which, why, and whether that was right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from concertmaster.model import Plan
from concertmaster.report.foresight_rows import ForesightRow
from concertmaster.text.display import display

MOST_ORDERS = 200
_MOST_PATHS = 3


class OrderKind(StrEnum):
    """The reason why two tasks did not run at the same time."""

    NEED = "need"
    AFTER = "after"
    EXCLUSION = "exclusion"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRow:
    """Two tasks of the plan that could not run at the same time.

    The second of a need waits for the first. `became` says of an exclusion whether both changed
    the same files, "" if that is not known.
    """

    kind: OrderKind
    tasks: tuple[str, str]
    reason: str
    became: str = ""


def find_orders(plan: Plan, rows: Mapping[str, ForesightRow]) -> tuple[OrderRow, ...]:
    """Return the needs and exclusions of the plan, at most MOST_ORDERS.

    `rows` are the changed files of the tasks by their ids.
    """
    return tuple(_orders(plan, rows))[:MOST_ORDERS]


def _orders(plan: Plan, rows: Mapping[str, ForesightRow]) -> Iterator[OrderRow]:
    for need in plan.needs:
        kind = OrderKind.NEED if need.hard else OrderKind.AFTER
        yield OrderRow(kind=kind, tasks=(need.on, need.task), reason=need.reason)
    for one in plan.exclusions:
        changed = [rows[key].changed if key in rows else None for key in one.tasks]
        yield OrderRow(
            kind=OrderKind.EXCLUSION,
            tasks=one.tasks,
            reason=f"{one.reason} ({one.probability:.0%})",
            became=_compare(changed),
        )


def _compare(changed: Sequence[tuple[str, ...] | None]) -> str:
    one, other = changed
    if one is None or other is None:
        return ""
    common = sorted({*one} & {*other})
    if not common:
        return "changed no file in common"
    more = f" and {len(common) - _MOST_PATHS} more" if len(common) > _MOST_PATHS else ""
    return f"both changed {', '.join(display(p, limit=80) for p in common[:_MOST_PATHS])}{more}"
