"""Tests that no pattern and no parser takes quadratic time on hostile text.

Each gets far more time of the processor than it needs, and far less than quadratic time would be.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from re import _parser  # type: ignore[attr-defined]
from typing import Any

import pytest

import concertmaster
from benchmarks.parsers import PARSERS, UNITS, hostile, run
from tests.conftest import in_matrix
from tests.cpu_limit import TooSlow, cpu_limit

SIZE = 1 << 15
PARTS = 8  # of the units; each test of a parser gets one of them
SECONDS = 4.0  # of the processor; the worst one takes a tenth of it
# The method that is called on patterns that stand in a tuple or are handed on.
METHODS = {
    "_ISSUES": {"fullmatch"},
    "_REPOSITORIES": {"fullmatch"},
    "_KEY": {"match"},
    "_DEFINITION": {"match"},
    "_IMPORT": {"fullmatch"},
}
ANCHORED = {"match", "fullmatch"}
# Modules that make a pattern when they run, and the parser in whose measurement it takes part.
MADE = {
    "github.prompt_list": "prompt list",
    "landing.path_classes": "class of a path",
    "planning.failure_causes": "missing parts in a log",
    "text.globs": "globs",
    "text.redaction": "redaction",
}
OF_OURS = {"settings.action_source"}  # it reads a workflow file of ours
CLASSES = {"CATEGORY_SPACE": " ", "CATEGORY_DIGIT": "0", "CATEGORY_WORD": "a"}

Pattern = re.Pattern[str] | re.Pattern[bytes]


def _find_patterns() -> dict[str, Pattern]:
    """Return every compiled pattern of a module, by where it stands; each pattern once."""
    found: dict[Pattern, str] = {}
    for module in pkgutil.walk_packages(concertmaster.__path__, "concertmaster."):
        if not module.name.endswith("__main__"):
            for name, value in vars(importlib.import_module(module.name)).items():
                for pattern in _inside(value):
                    found.setdefault(pattern, f"{module.name.partition('.')[2]}.{name}")
    return {f"{name}-{number}": pattern for number, (pattern, name) in enumerate(found.items())}


def _inside(value: object) -> Iterator[Pattern]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, tuple | list | frozenset):
        for one in value:
            yield from _inside(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _inside(key)
            yield from _inside(one)


def _inner_calls() -> Iterator[tuple[str, ast.Call]]:
    """Yield the calls of `re` inside functions and classes, with their modules."""
    for module, text in _sources().items():
        for outer in ast.parse(text).body if "import re\n" in text else ():
            for node in ast.walk(outer):
                if isinstance(node, ast.Call) and _is_of_re(node.func) and not _is_whole(outer):
                    yield module, node


def _is_of_re(called: ast.expr) -> bool:
    return (
        isinstance(called, ast.Attribute)
        and isinstance(called.value, ast.Name)
        and called.value.id == "re"
        and called.attr != "escape"
    )


def _is_whole(outer: ast.stmt) -> bool:
    """Return whether it is a statement of the module, whose patterns are values of the module."""
    return not isinstance(outer, ast.FunctionDef | ast.ClassDef)


def _written(call: ast.Call) -> str | None:
    """Return the pattern that is written in the call, None if it is made of parts."""
    first = call.args[0]
    found = first.value if isinstance(first, ast.Constant) else None
    return found if isinstance(found, str) else None


def _find_calls() -> dict[str, tuple[Pattern, set[str]]]:
    """Return every pattern with the methods that are called on it, by where it stands."""
    found = {name: (pattern, _methods(name)) for name, pattern in _find_patterns().items()}
    for module, call in _inner_calls():
        written = _written(call)
        if written is not None:
            method = ast.unparse(call.func).removeprefix("re.")
            pattern: Pattern = re.compile(written)
            found[f"{module}:{call.lineno}"] = (pattern, {method} & ANCHORED or {"search"})
    return found


def _methods(name: str) -> set[str]:
    """Return the methods that the source calls on a pattern of this name."""
    module, _, short = name.rpartition("-")[0].rpartition(".")
    called = re.compile(rf"\b{short}\.(\w+)\(")
    texts = [text for key, text in _sources().items() if key == module or short[0] != "_"]
    found = {one for text in texts for one in called.findall(text)}
    return METHODS.get(short) or found or {"search"}


@cache
def _sources() -> dict[str, str]:
    """Return the source of each module by its name without the package's."""
    top = Path(concertmaster.__file__).parent
    files = {
        ".".join(file.relative_to(top).with_suffix("").parts): file for file in top.rglob("*.py")
    }
    return {name: file.read_text() for name, file in files.items()}


def _letters(parsed: Any) -> Iterator[str]:
    """Yield a letter for each part of a parsed pattern."""
    for operation, argument in parsed:
        kind = str(operation)
        if kind in ("LITERAL", "NOT_LITERAL"):
            yield chr(argument)
        elif kind == "RANGE":
            yield chr(argument[0])
        elif kind == "CATEGORY":
            yield CLASSES.get(str(argument), "!")
        else:
            for inner in INSIDE.get(kind, lambda _: [])(argument):
                yield from _letters(inner)


# The parsed patterns in an operation, by its name.
INSIDE: dict[str, Callable[[Any], list[Any]]] = {
    "IN": lambda argument: [argument],
    "BRANCH": lambda argument: argument[1],
    "ATOMIC_GROUP": lambda argument: [argument],
    **dict.fromkeys(
        (
            *("ASSERT", "ASSERT_NOT", "SUBPATTERN"),
            *("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"),
        ),
        lambda argument: [argument[-1]],
    ),
}


def _texts(pattern: Pattern, most_letters: int) -> Iterator[str]:
    """Yield long texts of the letters that the pattern knows."""
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode()
    known = [*_letters(_parser.parse(source, pattern.flags & ~re.UNICODE))]
    letters = [*dict.fromkeys([*known[:most_letters], " ", "a", "0"])]
    start = "".join(known)[:20]
    for unit in (*letters, *map("".join, pairwise(letters)), start or "a"):
        yield f"{start[:1]}{hostile(unit, SIZE)}\x00"


PATTERNS = _find_calls()


@pytest.mark.parametrize("most_letters", [1, *in_matrix([12])])
@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_takes_linear_time(name: str, most_letters: int) -> None:
    pattern, methods = PATTERNS[name]
    calls = (methods & ANCHORED) | ({"finditer"} if methods - ANCHORED else set())
    for text in _texts(pattern, most_letters):
        given = text if isinstance(pattern.pattern, str) else text.encode()
        for call in calls:
            with cpu_limit(seconds=SECONDS):
                found = getattr(pattern, call)(given)
                assert call in ANCHORED or sum(1 for _ in found) >= 0


def test_every_pattern_is_known_to_this_table() -> None:
    made = {module for module, call in _inner_calls() if _written(call) is None}
    assert made == MADE.keys() | OF_OURS, "say in MADE which parser has the pattern"
    assert {*MADE.values()} <= PARSERS.keys()
    assert any(":" in name for name in PATTERNS)


def test_the_patterns_are_found_and_a_quadratic_one_is_too_slow() -> None:
    assert len(PATTERNS) > 150
    with pytest.raises(TooSlow), cpu_limit(seconds=0.05):
        re.compile(r"\d+\.").search("0" * SIZE)


@pytest.mark.parametrize("part", in_matrix(range(PARTS)))
@pytest.mark.parametrize("name", PARSERS)
def test_a_parser_takes_linear_time(name: str, part: int) -> None:
    first = (part + [*PARSERS].index(name)) % PARTS
    for unit in UNITS[first::PARTS]:
        with cpu_limit(seconds=SECONDS):
            run(PARSERS[name], hostile(unit, SIZE))
