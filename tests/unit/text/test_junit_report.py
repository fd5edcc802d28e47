"""Failing tests are named from JUnit XML, and a hostile document costs nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.text.junit_report import LONGEST_NAME, MOST_TESTS, find_failures

SUREFIRE = """<?xml version="1.0" encoding="UTF-8"?>
<testsuite name="org.fruit.AppleTest" tests="4" errors="1" skipped="1" failures="1">
  <properties><property name="java.version" value="21"/></properties>
  <testcase name="ripe" classname="org.fruit.AppleTest" time="0.01"/>
  <testcase name="red" classname="org.fruit.AppleTest" time="0.01">
    <failure message="expected: &lt;red&gt;" type="AssertionError"><![CDATA[at ...]]></failure>
    <system-out>more</system-out>
  </testcase>
  <testcase name="round" classname="org.fruit.AppleTest"><error type="java.lang.Error"/></testcase>
  <testcase name="sweet" classname="org.fruit.AppleTest"><skipped/></testcase>
  <testcase name="late" classname="org.fruit.AppleTest"><flakyFailure/></testcase>
</testsuite>"""
ONE = '<testcase name="a"><failure/></testcase>'
LAUGHS = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (SUREFIRE, ("org.fruit.AppleTest.red", "org.fruit.AppleTest.round")),
        (f"<testsuites><testsuite>{ONE}{ONE}</testsuite></testsuites>", ("a",)),
        ('<testsuite><testcase classname="a b" name="a b c"><error/></testcase></testsuite>',
         ("a b c",)),
        (f"<testsuite>{ONE}<testcase name='b'><fail", ("a",)),
        ("<testsuite><failure/><testcase><failure/></testcase></testsuite>", ()),
        (f"<html>{ONE}</html>", ()),
        ("", ()),
        ("\0", ()),
        (f'<!DOCTYPE t [<!ENTITY l0 "l">{LAUGHS}]><testsuite>{ONE}&l9;</testsuite>', ()),
        (f'<!DOCTYPE t SYSTEM "file:///etc/passwd"><testsuite>{ONE}</testsuite>', ()),
        (f"<testsuite>{ONE}&unknown;</testsuite>", ("a",)),
        ("<testsuite>" + "<a>" * 100_000, ()),
    ],
)  # fmt: skip
def test_the_failing_tests_of_a_report_are_named(text: str, names: tuple[str, ...]) -> None:
    assert find_failures(text.encode()) == names


def test_the_number_and_the_length_of_names_are_limited() -> None:
    cases = "".join(f'<testcase name="{n}{"x" * 999}"><error/></testcase>' for n in range(99))

    found = find_failures(f"<testsuite>{cases}</testsuite>".encode())

    assert len(found) == MOST_TESTS
    assert max(map(len, found)) <= LONGEST_NAME


@given(st.binary(max_size=200))
def test_any_bytes_are_read(data: bytes) -> None:
    assert find_failures(data) == ()
