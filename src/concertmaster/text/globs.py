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

MAX_WILDCARDS = 6  # each one multiplies the time that a hostile glob can take

_WILDCARDS = frozenset("*?[!#\\")


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
            return GitIgnoreSpec.from_lines(globs)
    except (ValueError, re.error) as error:
        raise UsageError(
            "a glob cannot be understood",
            why=str(error),
            next_step="write it as in .gitignore, for example src/**/*.py",
        ) from error


def _refuse_costly(glob: str) -> None:
    if glob.replace("**", "*").count("*") > MAX_WILDCARDS:
        raise UsageError(
            f"The glob {glob[:80]} has too many wildcards",
            why=f"more than {MAX_WILDCARDS} of them can take minutes to match",
            next_step="use several simpler globs",
        )
