"""Describes in words what a run learnt about its tasks while it went on."""

from __future__ import annotations

from concertmaster.run.notices import Notice, NoticeKind
from concertmaster.text.display import display

MOST_PATHS_NAMED = 3


def describe_notice(notice: Notice) -> str:
    """Return what an observation means for two tasks, in words."""
    one, other = notice.tasks
    paths = name_paths(notice.paths)
    if notice.kind is NoticeKind.KEPT_APART:
        return f"{one}  waits for {other}: both are likely to change {paths}"
    if notice.kind is NoticeKind.RELEASED:
        return f"{one}  need not wait for {other}, whose files are known now: not {paths}"
    return f"{one}  changes {paths}, which {other} works on at the same time"


def name_paths(paths: tuple[str, ...]) -> str:
    """Return the first three paths and the number of the others."""
    more = len(paths) - MOST_PATHS_NAMED
    shown = [display(path, limit=80) for path in paths[:MOST_PATHS_NAMED]]
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
