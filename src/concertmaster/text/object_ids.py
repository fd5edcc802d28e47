"""Tells whether a text is the full id of an object of git."""

from __future__ import annotations

import re

OBJECT_ID = "[0-9a-f]{40}(?:[0-9a-f]{24})?"  # SHA-1 or SHA-256
_WHOLE = re.compile(OBJECT_ID)


def is_object_id(text: str) -> bool:
    """Return whether the text is an object id and nothing else."""
    return _WHOLE.fullmatch(text) is not None
