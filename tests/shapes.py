"""Compares documents of now with recorded ones, which lack what later versions have added."""

from __future__ import annotations

from typing import Any


def within(now: Any, before: Any) -> Any:
    """Return `now` without the keys that `before` does not have, at every depth."""
    match now, before:
        case dict(), dict():
            return {key: within(one, before[key]) for key, one in now.items() if key in before}
        case list(), list() if len(now) == len(before):
            return [within(one, other) for one, other in zip(now, before, strict=True)]
        case _:
            return now


def without(value: Any, *keys: str) -> Any:
    """Return the document without these keys, at every depth."""
    match value:
        case dict():
            return {key: without(one, *keys) for key, one in value.items() if key not in keys}
        case list():
            return [without(one, *keys) for one in value]
        case _:
            return value
