"""Tells which files are changelogs: they grow with other changes, entry by entry."""

from __future__ import annotations

import posixpath
import re

# The beginnings of their names, the usual one first.
CHANGELOGS = ("changelog", "changes", "history", "news", "releases")
_NAME = re.compile(
    rf"({'|'.join(CHANGELOGS)}|change[-_]log|release|release[-_]notes)(\.(md|rst|txt|adoc))?"
)


def is_changelog(path: str) -> bool:
    """Return whether the name of the file is that of a changelog."""
    return _NAME.fullmatch(posixpath.basename(path).lower()) is not None
