"""Finds paths that git, GitHub or some machines cannot take."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from concertmaster.text.display import display

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NO_PART = {"", ".", "..", ".git"}


def find_unportable_paths(added: Iterable[str]) -> Iterator[str]:
    """Yield the reasons to refuse new or changed files at these paths."""
    for path in added:
        if _CONTROL.search(path):
            yield f"{display(path)}: its name holds a line break or another control character"
        if _NO_PART & {part.lower() for part in path.split("/")}:
            yield f"{display(path)}: git does not take a file of this name"


def find_case_collisions(new: Iterable[str], paths: Iterable[str]) -> Iterator[str]:
    """Yield the reasons to refuse paths in `new` that differ from others only in case.

    Many file systems can hold only one of them. `paths` are all paths of the tree.
    """
    names: dict[str, set[str]] = {}
    for path in paths:
        for name in _ways(path):
            names.setdefault(_fold(name), set()).add(name)
    told: set[str] = set()
    for path in new:
        for name in _ways(path):
            twins = names.get(_fold(name), set()) - {name}
            if twins and name not in told:
                told.add(name)
                yield f"{display(name)}: differs from {display(min(twins))} only in case"


def _ways(path: str) -> Iterator[str]:
    """Yield the path and every folder above it."""
    yield path
    while path := path.rpartition("/")[0]:
        yield path


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
