"""Reads values from the JSON events of an agent; a value of the wrong type counts as missing."""

from __future__ import annotations

import re
from typing import Any

from concertmaster.agents.protocol import number_in

_SESSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}")


def text_in(event: dict[str, Any], key: str) -> str:
    """Return the string under this key, "" if there is none."""
    value = event.get(key)
    return value if isinstance(value, str) else ""


def list_in(event: dict[str, Any], key: str) -> list[Any]:
    """Return the list under this key, an empty one if there is none."""
    value = event.get(key)
    return value if isinstance(value, list) else []


def object_in(event: dict[str, Any], key: str) -> dict[str, Any]:
    """Return the object under this key, an empty one if there is none."""
    value = event.get(key)
    return value if isinstance(value, dict) else {}


def count_in(counts: dict[str, Any], *keys: str) -> int:
    """Return the sum of the counts under these keys."""
    return sum(int(number_in(counts.get(key))) for key in keys)


def session_in(event: dict[str, Any], key: str) -> str:
    """Return the session id, or "" unless it is safe as an argument of a later command."""
    session = text_in(event, key)
    return session if _SESSION.fullmatch(session) else ""


def first_text_in(event: dict[str, Any], keys: tuple[str, ...]) -> str:
    """Return the first non-empty text under these keys, "" if there is none."""
    return next((text for key in keys if (text := text_in(event, key))), "")
