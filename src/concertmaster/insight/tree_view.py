"""Joins what is known of one commit: its files, their facts and the history before it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from functools import cached_property

from concertmaster.insight.definitions import Definition
from concertmaster.insight.file_facts import FileFacts
from concertmaster.insight.history import ChangeStatistics, PastCommit
from concertmaster.insight.ranking import WordField
from concertmaster.insight.words import count_path_words, count_words

PROSE = (".md", ".rst", ".txt", ".adoc", ".json", ".yml", ".yaml", ".lock", ".toml", ".svg", ".po")
MOST_DEFINERS = 12  # a name that more files define means none of them
FIELDS = ("path", "definitions", "text", "messages")
_NO_WORDS: Mapping[str, int] = {}
_TEST = re.compile(r"(?:^|[._-])(?:tests?|specs?)(?=$|[._-])|^test(?=[A-Z])|Tests?$|Spec$")
_CODE_STEM = re.compile(r"^(.*?)(?:\.[A-Za-z0-9]+){0,2}$")


class TreeView:
    """The files of a commit with their facts, and the history that leads to it, newest first."""

    def __init__(self, facts: Mapping[str, FileFacts], history: Sequence[PastCommit]) -> None:
        self.facts = facts
        self.statistics = ChangeStatistics(history, tree=frozenset(facts))

    def fields(self, vocabulary: frozenset[str]) -> dict[str, WordField]:
        """Return the searchable fields of all files, by name."""
        documents: dict[str, Mapping[str, Mapping[str, float]]] = {
            "path": count_path_words(self.facts),
            "definitions": {path: self._defined_words(path) for path in self.facts},
            "text": {path: facts.words for path, facts in self.facts.items()},
            "messages": self.statistics.messages,
        }
        return {name: WordField(documents[name], vocabulary) for name in FIELDS}

    def _defined_words(self, path: str) -> Mapping[str, int]:
        known = self.facts[path].definitions
        if not known or path.endswith(PROSE):
            return _NO_WORDS
        return count_words(" ".join(definition.name for definition in known))

    @cached_property
    def definers(self) -> Mapping[str, Mapping[str, Definition]]:
        """The files that define a name, with the definition; names of many files are left out."""
        found: dict[str, dict[str, Definition]] = {}
        for path, facts in self.facts.items():
            if not path.endswith(PROSE):
                for definition in facts.definitions:
                    found.setdefault(definition.name, {}).setdefault(path, definition)
        return {name: paths for name, paths in found.items() if len(paths) <= MOST_DEFINERS}

    @cached_property
    def by_name(self) -> Mapping[str, Sequence[str]]:
        """The paths of each lower-case file name."""
        found: dict[str, list[str]] = {}
        for path in self.facts:
            found.setdefault(posixpath.basename(path).lower(), []).append(path)
        return found

    @cached_property
    def by_stem(self) -> Mapping[str, Sequence[str]]:
        """The paths of each lower-case file name without its ending."""
        found: dict[str, list[str]] = {}
        for path in self.facts:
            found.setdefault(stem_of(path), []).append(path)
        return found

    @cached_property
    def by_folder(self) -> Mapping[str, Sequence[str]]:
        """The paths below each directory's lower-case name, at any depth."""
        found: dict[str, list[str]] = {}
        for path in self.facts:
            for folder in dict.fromkeys(path.lower().split("/")[:-1]):
                found.setdefault(folder, []).append(path)
        return found

    @cached_property
    def tests(self) -> Mapping[str, Sequence[str]]:
        """The tests of each source file by their names, and the sources of each test."""
        if not any(map(is_test, self.facts)):
            return {}
        sources: dict[str, list[str]] = {}
        tests: dict[str, list[str]] = {}
        for path in self.facts:
            if not path.endswith(PROSE):
                (tests if is_test(path) else sources).setdefault(_subject(path), []).append(path)
        found: dict[str, list[str]] = {}
        for subject in sources.keys() & tests.keys():
            if subject and len(sources[subject]) * len(tests[subject]) <= 40:
                for source in sources[subject]:
                    found[source] = tests[subject]
                for test in tests[subject]:
                    found[test] = sources[subject]
        return found

    @cached_property
    def neighbours(self) -> Mapping[str, Sequence[str]]:
        """The files that a file imports and those that import it."""
        found: dict[str, dict[str, None]] = {}
        for path, facts in self.facts.items():
            for imported in facts.imports:
                for other in self._resolve_import(imported, path):
                    found.setdefault(path, {})[other] = None
                    found.setdefault(other, {})[path] = None
        return {path: tuple(others) for path, others in found.items()}

    def _resolve_import(self, imported: str, source: str) -> Sequence[str]:
        """Return the files that an import may mean, at most three."""
        parts = [part for part in re.split(r"[./:]+", imported) if part not in ("", "crate", "js")]
        for size in (len(parts), len(parts) - 1):
            if size < 1:
                continue
            tail = "/".join(parts[:size]).lower()
            same = [p for p in self.by_stem.get(parts[size - 1].lower(), ()) if p != source]
            fitting = [p for p in same if f"/{_bare(p)}".endswith(f"/{tail}")]
            if fitting and len(fitting) <= 3:
                return fitting
        return ()


def is_test(path: str) -> bool:
    """Return whether a path is that of a test, by its name or its folder."""
    if not _may_be_test(path):
        return False
    name = _CODE_STEM.sub(r"\1", posixpath.basename(path))
    folders = path.lower().split("/")[:-1]
    in_tests = bool({"test", "tests", "__tests__", "spec", "specs", "testing"} & {*folders})
    return in_tests or bool(_TEST.search(posixpath.basename(path))) or bool(_TEST.search(name))


def _may_be_test(path: str) -> bool:
    """Return False quickly for most paths, which no mark of a test can match."""
    lower = path.lower()
    return "test" in lower or "spec" in lower


def stem_of(path: str) -> str:
    """Return the lower-case file name before its first dot that is not at its start."""
    name = posixpath.basename(path).lower()
    return name[:1] + name[1:].partition(".")[0]


def _bare(path: str) -> str:
    folder = posixpath.dirname(path).lower()
    return f"{folder}/{stem_of(path)}" if folder else stem_of(path)


def _subject(path: str) -> str:
    """Return what a source or its test is about: the stem without its marks of a test."""
    name = posixpath.basename(path)
    name = name[:1] + name[1:].partition(".")[0]
    if _may_be_test(name):
        name = re.sub(r"^(?:test|spec)s?[._-]?|[._-]?(?:[Tt]est|[Ss]pec)s?$", "", name)
    return name.strip("_-.").lower()
