"""Defines what a run learns about its tasks while it goes on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class NoticeKind(StrEnum):
    """The consequence of an observation for two tasks."""

    KEPT_APART = "kept_apart"  # the first waits for the second, which may change the same files
    RELEASED = "released"  # the first need not wait for the second any more
    ENTERED = "entered"  # both run, and the first changes files of the second
    YIELDED = "yielded"  # the first gave its slot up, and goes on behind the second


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A consequence of an observation; `at` is epoch seconds."""

    kind: NoticeKind
    tasks: tuple[str, str]
    paths: tuple[str, ...]
    at: float
