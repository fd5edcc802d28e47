"""Finds the names of the tests that failed in a report of the form JUnit XML.

Anybody may have written it. A document with a DOCTYPE is refused, so it defines no entities.
"""

from __future__ import annotations

from xml.parsers import expat

from concertmaster.text.display import display

MOST_TESTS = 50
LONGEST_NAME = 200  # characters
_ROOTS = ("testsuites", "testsuite")
_FAILURES = ("failure", "error")


class _Refused(Exception):
    """The document is no report."""


def is_report(start: bytes) -> bool:
    """Return whether a file that begins with these bytes may be a report."""
    return any(f"<{root}".encode() in start for root in _ROOTS)


def find_failures(data: bytes) -> tuple[str, ...]:
    """Return the names of the tests that failed, each once, at most MOST_TESTS.

    Of a document that breaks off, those before its end are returned; () of one that is no report.
    """
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(data, True)
    except _Refused:
        return ()
    except (expat.ExpatError, ValueError, LookupError):
        pass  # a check that was stopped leaves half a report
    return tuple(reader.found)


def _refuse(*_: object) -> None:
    raise _Refused


class _Reader:
    """The state of one parse: the open test case, and the tests that failed so far."""

    def __init__(self) -> None:
        self.found: dict[str, None] = {}
        self._case = ""
        self._is_begun = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._is_begun and name not in _ROOTS:
            raise _Refused
        self._is_begun = True
        if name == "testcase":
            self._case = _name_case(attributes)
        elif name in _FAILURES and self._case and len(self.found) < MOST_TESTS:
            self.found[self._case] = None

    def end(self, name: str) -> None:
        if name == "testcase":
            self._case = ""


def _name_case(attributes: dict[str, str]) -> str:
    """Return the name with that of its class, unless it begins with it."""
    name, place = attributes.get("name", ""), attributes.get("classname", "")
    whole = name if not place or name.startswith(place) else f"{place}.{name}"
    return display(whole, limit=LONGEST_NAME).strip()
