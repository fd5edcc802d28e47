"""Finds the one thing that a shortened name means."""

from __future__ import annotations

from collections.abc import Sequence

from concertmaster.errors import UsageError

MOST_NAMED = 8


def find_unique(name: str, names: Sequence[str], *, what: str) -> str:
    """Return the name that is meant: itself, else the only one that begins or ends so; else "".

    `what` is the kind of thing, for the message. Raises UsageError if several names fit.
    """
    if not name or name in names:
        return name if name in names else ""
    for fits in (str.startswith, str.endswith):
        found = [one for one in names if fits(one, name)]
        if len(found) > 1:
            more = len(found) - MOST_NAMED
            shown = ", ".join(found[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
            raise UsageError(
                f"{name!r} may be any of {len(found)} {what}s",
                why=f"these fit: {shown}",
                next_step="give more of the name",
            )
        if found:
            return found[0]
    return ""
