"""Looks into the events that an agent prints; a part of the wrong kind counts as none."""

from __future__ import annotations

import re
from typing import Any

from concertmaster.agents.protocol import number_in

_SESSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}")


def text_in(event: dict[str, Any], key: str) -> str:
    value = event.get(key)
    return value if isinstance(value, str) else ""


def list_in(event: dict[str, Any], key: str) -> list[Any]:
    value = event.get(key)
    return value if isinstance(value, list) else []


def object_in(event: dict[str, Any], key: str) -> dict[str, Any]:
    value = event.get(key)
    return value if isinstance(value, dict) else {}


def count_in(counts: dict[str, Any], *keys: str) -> int:
    """The sum of the counts under these keys."""
    return sum(int(number_in(counts.get(key))) for key in keys)


def session_in(event: dict[str, Any], key: str) -> str:
    """It becomes an argument of a later command, so nothing but an id passes."""
    session = text_in(event, key)
    return session if _SESSION.fullmatch(session) else ""


def first_text_in(event: dict[str, Any], keys: tuple[str, ...]) -> str:
    """The text under the first of these keys that has one."""
    return next((text for key in keys if (text := text_in(event, key))), "")
