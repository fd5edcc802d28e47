"""Finds the names of the tests that failed in the output of a check.

It knows pytest, unittest, Jest, Vitest, Mocha, node --test, go test, cargo test and cargo nextest.
Every pattern is read line by line, and no line in full if it is long.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence

from concertmaster.text.display import count, display

MOST_TESTS = 50
LONGEST_NAME = 200  # characters
_LONGEST_LINE = 2000  # characters that are read
_MOST_LEVELS = 10  # of suites in suites
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def find_failing_tests(output: str) -> tuple[str, ...]:
    """Return the names of the tests that failed, each once, in the order of the output.

    The end of an output is enough. There are at most MOST_TESTS, and () where no known program
    names any.
    """
    lines = [_COLOURS.sub("", line[:_LONGEST_LINE]).rstrip() for line in output.splitlines()]
    found = dict.fromkeys(
        name for find in _FINDERS for name in find(lines) if name and len(name) <= _LONGEST_LINE
    )
    shown = (display(name, limit=LONGEST_NAME).strip() for name in found)
    return tuple(dict.fromkeys(filter(None, shown)))[:MOST_TESTS]


def name_failing_tests(names: Sequence[str], *, most: int = 3) -> str:
    """Return the names as one phrase, such as "test_a, test_b and 2 more", "" for none."""
    more = len(names) - most
    rest = f" and {more} more" if more > 0 else ""
    return ", ".join(names[:most]) + rest


def list_failing_tests(names: Sequence[str]) -> str:
    """Return the names as a list, one a line below a heading, "" for none."""
    heading = f"{count(len(names), 'test')} failed:\n"
    return heading + "".join(f"- {name}\n" for name in names) if names else ""


_PYTEST = re.compile(
    r"(?:(?:SUB)?FAILED|ERROR|SUBFAIL)(?:[(\[].{1,200}?[)\]])? (\S{1,300}\.py(?:::.{1,500})?)"
)


def _of_pytest(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        if found := _PYTEST.match(line):
            yield _before_message(found[1])


def _before_message(text: str) -> str:
    """Return the id before " - ", but not one that stands in the brackets of a parameter."""
    head, bracket, _ = text.partition("[")
    if not bracket or " - " in head:
        return text.partition(" - ")[0]
    end = text.find("] - ")
    return text[: end + 1] if end > 0 else text


_UNITTEST = re.compile(r"(?:FAIL|ERROR): (\S{1,300}) \(([\w.<>]{1,500})\)(.{0,300})")


def _of_unittest(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        if found := _UNITTEST.fullmatch(line):
            name, place, more = found.groups()
            whole = place if place.endswith(f".{name}") else f"{place}.{name}"
            yield whole + more


_JEST_FILE = re.compile(r"\s{0,4}FAIL\s{1,4}(\S{1,300}\.[cm]?[jt]sx?)(?: \([\d.]+ m?s\))?")
_JEST_TEST = re.compile(r"  ● (.{1,1000})")
_JEST_LEVELS = " \u203a "
_JEST_NOTES = ("Console", "Validation Warning", "Deprecation Warning", "Test suite failed to run")


def _of_jest(lines: Sequence[str]) -> Iterator[str]:
    file = ""
    for line in lines:
        if found := _JEST_FILE.fullmatch(line):
            file = found[1]
        elif file and (found := _JEST_TEST.fullmatch(line)):
            name = found[1]
            if name == "Test suite failed to run":
                yield file
            elif name not in _JEST_NOTES:
                yield " > ".join((file, *name.split(_JEST_LEVELS)))


_VITEST = re.compile(
    r"\s{0,4}FAIL\s{1,4}(?:\|.{1,100}\|\s{0,4})?"
    r"(\S{1,300}\.[cm]?[jt]sx?(?: > .{1,1000}| \[ .{1,300} \]))"
)


def _of_vitest(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        if found := _VITEST.fullmatch(line):
            yield found[1].partition(" [ ")[0]


_MOCHA_SUM = re.compile(r"\s{0,8}\d{1,6} failing")
_MOCHA_TEST = re.compile(r"\s{0,8}\d{1,6}\) (.{1,1000})")


def _of_mocha(lines: Sequence[str]) -> Iterator[str]:
    """Yield the titles of the summary: one level a line, the last one with a colon."""
    begun, levels = False, list[str]()
    for line in lines:
        begun = begun or _MOCHA_SUM.fullmatch(line) is not None
        first = _MOCHA_TEST.fullmatch(line) if begun else None
        if first:
            levels = [first[1]]
        elif levels:
            levels.append(line.strip())
        if levels and levels[-1].endswith(":"):
            yield " > ".join(levels)[:-1]
        if levels and (levels[-1] in ("", ":") or levels[-1].endswith(":")):
            levels = []
        levels = levels[:_MOST_LEVELS]


_TAP = re.compile(r"(\s{0,40})not ok \d{1,9} (?:- )?(.{1,1000})")
_TAP_KIND = re.compile(r"\s{0,44}failureType: 'subtestsFailed'")
_NODE_SUM = "✖ failing tests:"
_NODE_TEST = re.compile(r"✖ (.{1,1000}) \([\d.]{1,20}ms\)")


def _of_node(lines: Sequence[str]) -> Iterator[str]:
    """Yield the tests of the summary of `spec`, and those of TAP that have no failing subtest."""
    start = lines.index(_NODE_SUM) if _NODE_SUM in lines else len(lines)
    for line in lines[start:]:
        if found := _NODE_TEST.fullmatch(line):
            yield found[1]
    waiting = ""
    for line in lines:
        if found := _TAP.fullmatch(line):
            if waiting:
                yield waiting
            excused = re.search(r" # (?:TODO|SKIP)\b", found[2], re.IGNORECASE)
            waiting = "" if excused else found[2]
        elif _TAP_KIND.fullmatch(line):
            waiting = ""
    if waiting:
        yield waiting


_GO_TEST = re.compile(r"\s{0,40}--- FAIL: (\S{1,500}) \([\d.]{1,20}s\)")
_GO_PACKAGE = re.compile(r"FAIL\t(\S{1,300})(?:\t[\d.]{1,20}s| (\[(?:build|setup) failed\]))")


def _of_go(lines: Sequence[str]) -> Iterator[str]:
    """Yield the tests of each package, which is named behind them."""
    tests: list[str] = []
    for line in lines:
        if found := _GO_TEST.fullmatch(line):
            tests.append(found[1])
        elif found := _GO_PACKAGE.fullmatch(line):
            if found[2]:
                yield f"{found[1]} {found[2]}"
            yield from (f"{found[1]}.{test}" for test in _leaves(tests))
            tests = []
        elif line.startswith('{"') and '"fail"' in line:
            yield _read_go_event(line)
    yield from _leaves(tests)


def _leaves(tests: Sequence[str]) -> Iterator[str]:
    """Yield the tests without those whose own subtests have failed."""
    parents = {name for test in tests for name in _parents(test)}
    yield from (test for test in tests if test not in parents)


def _parents(test: str) -> Iterator[str]:
    parts = test.split("/")[:_MOST_LEVELS]
    yield from ("/".join(parts[:number]) for number in range(1, len(parts)))


def _read_go_event(line: str) -> str:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(event, dict) or event.get("Action") != "fail":
        return ""
    test, package = event.get("Test"), event.get("Package")
    return f"{package}.{test}" if isinstance(test, str) and isinstance(package, str) else ""


_CARGO = re.compile(r"test (\S.{0,500}?)(?: - should panic)? \.\.\. FAILED")
_NEXTEST = re.compile(
    r"\s{1,20}(?:FAIL|TIMEOUT|SIG[A-Z]{2,8}|ABORT) \[\s{0,10}[\d.]{1,20}s\] "
    r"(?:\(.{1,40}?\) )?(\S{1,200} \S.{0,500})"
)


def _of_cargo(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        if found := _CARGO.fullmatch(line) or _NEXTEST.fullmatch(line):
            yield found[1]


_FINDERS: tuple[Callable[[Sequence[str]], Iterator[str]], ...] = (
    _of_pytest,
    _of_unittest,
    _of_jest,
    _of_vitest,
    _of_mocha,
    _of_node,
    _of_go,
    _of_cargo,
)
