"""Tells which files are changelogs: they grow with other changes, entry by entry."""

from __future__ import annotations

import posixpath
import re

_NAME = re.compile(
    r"(changes|change[-_]?log|news|history|releases?|release[-_]notes)(\.(md|rst|txt|adoc))?"
)


def is_changelog(path: str) -> bool:
    """Return whether the name of the file is that of a changelog."""
    return _NAME.fullmatch(posixpath.basename(path).lower()) is not None
