"""Matches paths with globs in the syntax of .gitignore."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from concertmaster.errors import UsageError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

MAX_WILDCARDS = 6  # more of them mean a mistake

_WILDCARDS = frozenset("*?[!#\\")
# What pathspec writes for a star, for `/**/` and for a glob that begins anywhere.
_STARS = re.compile(r"(?:\[\^/\]\*){2,}")
_ONE_LETTER = r"\\.|\[\^/\](?!\*)|\[(?!\^/\])[^\]\\]+\]|[^\\\[\]()/*+?.^$|{}]"
_STAR_BEFORE_STAR = re.compile(rf"\[\^/\]\*((?:{_ONE_LETTER})+)(?=\[\^/\]\*)")
_ANY_FOLDERS = "(?:/.+)?/"
_ANYWHERE = "^(?:.+/)?"


def is_literal(glob: str) -> bool:
    """Return whether the glob matches only the one path or directory that it spells."""
    return not _WILDCARDS.intersection(glob)


def match(globs: Iterable[str], path: str) -> bool:
    """Return whether the globs match `path`, which is relative to the repository.

    The last glob that applies decides. Raises UsageError if a glob is invalid in git or has too
    many wildcards.
    """
    globs = tuple(globs)
    return bool(globs) and _spec(globs).match_file(path)


def expand(globs: Iterable[str], paths: Iterable[str]) -> tuple[str, ...]:
    """Return the `paths` that match, in their order.

    Raises UsageError if a glob is invalid in git or has too many wildcards.
    """
    globs = tuple(globs)
    return tuple(_spec(globs).match_files(paths)) if globs else ()


@lru_cache(maxsize=256)
def _spec(globs: tuple[str, ...]) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec  # noqa: PLC0415 - 44 ms, and few runs have a glob

    for glob in globs:
        _refuse_costly(glob)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # `re` warns about globs such as [[]
            patterns = [*GitIgnoreSpec.from_lines(globs).patterns]
            for pattern in patterns:
                if pattern.regex is not None:
                    pattern.regex = re.compile(_without_backtracking(pattern.regex.pattern))
            return GitIgnoreSpec(patterns, backend="simple")
    except (ValueError, re.error) as error:
        raise UsageError(
            "a glob cannot be understood",
            why=str(error),
            next_step="write it as in .gitignore, for example src/**/*.py",
        ) from error


def _without_backtracking(regex: str) -> str:
    """Return a regular expression of pathspec's that matches the same in linear time.

    Of several stars in a name, or several `**` in a path, each but the last may take the first
    place that fits: the later ones then have the longest rest to choose from.
    """
    regex = _STAR_BEFORE_STAR.sub(r"(?>[^/]*?\1)", _STARS.sub("[^/]*", regex))
    first, *others = regex.split(_ANY_FOLDERS)
    if not others:
        return regex
    if first.startswith(_ANYWHERE):
        first = f"^(?>(?:.+?/)??{first.removeprefix(_ANYWHERE)}(?=/))"
    *inner, last = others
    return first + "".join(f"(?>(?:/.+?)??/{one}(?=/))" for one in inner) + _ANY_FOLDERS + last


def _refuse_costly(glob: str) -> None:
    if glob.replace("**", "*").count("*") > MAX_WILDCARDS:
        raise UsageError(
            f"The glob {glob[:80]} has too many wildcards",
            why=f"more than {MAX_WILDCARDS} of them can take minutes to match",
            next_step="use several simpler globs",
        )
