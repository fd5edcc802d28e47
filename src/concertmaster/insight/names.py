"""Finds the names in a text that stand for files: symbols, packages, and "the changelog"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from concertmaster.insight.changelogs import CHANGELOGS
from concertmaster.insight.words import STOP_WORDS

MAX_NAMES = 400  # different ones in a text
_QUOTED = re.compile(r"(?<!`)`+([^`\n]{1,200})`+")
_DOTTED = re.compile(r"[A-Za-z_$][\w$]*(?:(?:\.|::|#|/)[A-Za-z_$][\w$]*)*(\(\))?")
_SEPARATOR = re.compile(r"\.|::|#|/")
_COMPOUND = re.compile(r"[a-z][A-Z]|[A-Z][a-z]+[A-Z]|[a-zA-Z0-9]_[a-zA-Z0-9]")
_HYPHENATED = re.compile(r"[A-Za-z]\w{0,99}(?:-\w+)+")
_PACKAGES = (
    re.compile(
        r"([\w@./-]{2,60})[`\"']? (?:package|crate|module|directory|folder|middleware)\b",
        re.IGNORECASE,
    ),
    re.compile(
        r"\b(?:package|crate|module|directory|folder) [`\"']?([\w@./-]{2,60})", re.IGNORECASE
    ),
)
_PREFIX = re.compile(r"(?:\w{2,12}\(([\w./-]{2,40})\)!?|([\w./-]{2,40})): ")

# Words of prose and the beginnings of the file names that they mean.
COMMON = {
    "changelog": CHANGELOGS,
    "change log": ("changelog", "changes", "history", "news"),
    "release notes": CHANGELOGS,
    "changes": ("changes",),
    "readme": ("readme",),
    "license": ("license", "licence", "copying"),
    "contributing": ("contributing",),
    "makefile": ("makefile", "gnumakefile"),
    "dockerfile": ("dockerfile",),
    "lock file": (
        *("uv.lock", "poetry.lock", "package-lock.json", "yarn.lock", "pnpm-lock.yaml"),
        *("cargo.lock", "go.sum", "gemfile.lock", "composer.lock", "pipfile.lock"),
    ),
}
_COMMON = re.compile(
    r"(?<![\w/.-])(change ?log|release notes|CHANGES|readme|license|contributing|makefile"
    r"|dockerfile|lock-?\s?file)s?(?![\w/-]|\.\w|[`\"']?\]\(\s?https?:)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedSymbol:
    """A name of a text; `parts` are those of a dotted name, `sure` means code by its spelling."""

    parts: tuple[str, ...]
    sure: bool


@lru_cache(maxsize=16)
def find_symbols(text: str) -> tuple[NamedSymbol, ...]:
    """Return the names in a text that may be defined somewhere, at most MAX_NAMES."""
    found: dict[tuple[str, ...], bool] = {}
    quoted = [match[1] for match in _QUOTED.finditer(text)]
    for piece in quoted:
        _collect(piece, found, quoted=True)
    _collect(text, found, quoted=False)
    return tuple(NamedSymbol(parts=p, sure=s) for p, s in list(found.items())[:MAX_NAMES])


def _collect(text: str, found: dict[tuple[str, ...], bool], *, quoted: bool) -> None:
    for match in _DOTTED.finditer(text):
        whole = match[0].removesuffix("()")
        parts = tuple(part for part in _SEPARATOR.split(whole) if part)
        code = bool(match[1]) or len(parts) > 1 or bool(_COMPOUND.search(whole))
        if quoted or code or whole[:1].isupper():
            found[parts] = found.get(parts, False) or quoted or code


def find_packages(text: str) -> tuple[str, ...]:
    """Return the words that name a directory or a module: by the word beside them or a prefix."""
    found = [match[1] for kind in _PACKAGES for match in kind.finditer(text)]
    found += [match[0] for match in _HYPHENATED.finditer(text)]
    prefix = _PREFIX.match(text.lstrip("# \n"))
    found += [name for name in prefix.groups() if name] if prefix else []
    names = (name.strip("./`\"'").rpartition("/")[2].lower() for name in found)
    known = (name for name in names if len(name) > 1 and name not in STOP_WORDS)
    return tuple(dict.fromkeys(known))[:MAX_NAMES]


def find_common(text: str) -> Iterator[tuple[str, int]]:
    """Yield the common names of files in a text and where they stand.

    The text of a link to another site names what lies there.
    """
    for match in _COMMON.finditer(text):
        word = " ".join(match[1].lower().replace("-", " ").split())
        if word == "changes" and (match[1] != "CHANGES" or _is_breaking(text, match.start())):
            continue  # a verb or a noun of prose, or "BREAKING CHANGES"
        yield ("lock file" if word.startswith("lock") else word), match.start()


def _is_breaking(text: str, at: int) -> bool:
    return text[max(0, at - 9) : at].upper() == "BREAKING "


def resolve_common(word: str, by_name: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the files that a common name means, those nearest to the root.

    `by_name` gives the paths of each lower-case file name.
    """
    found: list[str] = []
    for start in COMMON.get(word, ()):
        for name, paths in by_name.items():
            if name == start or name.startswith((f"{start}.", f"{start}-")):
                found.extend(paths)
        if found:
            break
    least = min((path.count("/") for path in found), default=0)
    return tuple(sorted(path for path in found if path.count("/") == least))
