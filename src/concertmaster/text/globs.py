"""Globs as git reads them: `match` one path, `expand` over many."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from concertmaster.errors import UsageError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

MAX_WILDCARDS = 6  # each one multiplies the time that a hostile glob can cost

_WILDCARDS = frozenset("*?[!#\\")


def is_literal(glob: str) -> bool:
    """Whether the glob can only mean the one path, or directory, that it spells."""
    return not _WILDCARDS.intersection(glob)


def match(globs: Iterable[str], path: str) -> bool:
    """Whether `path`, relative to the repository, is matched; the last glob that speaks decides.

    Raises UsageError for a glob that git would not accept either.
    """
    globs = tuple(globs)
    return bool(globs) and _spec(globs).match_file(path)


def expand(globs: Iterable[str], paths: Iterable[str]) -> tuple[str, ...]:
    """Those of `paths` that match, in their order.

    Raises UsageError for a glob that git would not accept either.
    """
    globs = tuple(globs)
    return tuple(_spec(globs).match_files(paths)) if globs else ()


@lru_cache(maxsize=256)
def _spec(globs: tuple[str, ...]) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec  # noqa: PLC0415 - 44 ms, and few runs hold a glob

    for glob in globs:
        _refuse_costly(glob)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of `re`, about globs such as [[]
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
