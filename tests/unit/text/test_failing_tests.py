"""The names of failing tests are found in what test programs really print."""

# ruff: noqa: RUF001  the programs print these characters
from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from concertmaster.text.failing_tests import (
    MOST_TESTS,
    find_failing_tests,
    list_failing_tests,
    name_failing_tests,
)

PYTEST = """
___________________________ test_p[c - d] ___________________________
>   def test_p(v): assert v == "ok"
E   AssertionError: assert 'c - d' == 'ok'
test_x.py:13: AssertionError
========================= short test summary info ==========================
FAILED test_x.py::T::test_bad - AssertionError: 1 != 2
SUBFAILED(i=1) test_x.py::T::test_sub - AssertionError: 1 != 0
FAILED test_x.py::test_p[a b] - AssertionError: assert 'a b' == 'ok'
FAILED test_x.py::test_p[c - d] - AssertionError: assert 'c - d' == 'ok'
FAILED test_x.py::test_q
ERROR test_x.py::test_e - RuntimeError: no
ERROR tests/test_broken.py - ImportError: no [x] - y
5 failed, 2 passed, 1 error in 2.37s
"""
UNITTEST = """
FEF
======================================================================
ERROR: test_err (test_x.T.test_err)
----------------------------------------------------------------------
ValueError: x
======================================================================
FAIL: test_old (test_x.T)
======================================================================
FAIL: test_sub (test_x.T.test_sub) (i=1)
----------------------------------------------------------------------
Ran 3 tests in 0.001s

FAILED (failures=2, errors=1)
"""
JEST = """
  ● Console

    console.log
PASS ./good.test.js
  ● Console

FAIL ./a.test.js
  ✕ at the root (1 ms)
  math
    ✓ adds (6 ms)
    deep
      ✕ subtracts - well (6 ms)

  ● math › deep › subtracts - well

    assert.strictEqual(received, expected)

      at Server.emit (node:events:517:28)

  ● at the root

    no

FAIL src/b.test.tsx (5.1 s)
  ● Test suite failed to run

Test Suites: 2 failed, 1 passed, 3 total
"""
VITEST = (
    "\x1b[31m   \x1b[31m×\x1b[31m at the root\x1b[39m\x1b[32m 1\x1b[2mms\x1b[22m\x1b[39m\n"
    "\x1b[41m\x1b[1m FAIL \x1b[22m\x1b[49m v/b.test.mjs\x1b[2m > \x1b[22mmath\x1b[2m > \x1b[22mdeep"
    "\x1b[2m > \x1b[22msubtracts - well\n"
    "\x1b[41m\x1b[1m FAIL \x1b[22m\x1b[49m v/b.test.mjs\x1b[2m > \x1b[22mat the root\n"
    " FAIL  |web| src/c.test.ts [ src/c.test.ts ]\n"
)
MOCHA = """
  1) at the root
  math
    ✔ adds
    deep
      2) subtracts - well


  1 passing (11ms)
  2 failing

  1) at the root:
     Error: no
      at Context.<anonymous> (a.test.js:7:33)

  2) math
       deep
         subtracts - well:

      AssertionError [ERR_ASSERTION]: Expected values to be strictly equal:
"""
NODE_TAP = """
TAP version 13
# Subtest: math
    # Subtest: deep
        # Subtest: subtracts - well
        not ok 1 - subtracts - well
          ---
          failureType: 'testCodeFailure'
          ...
        1..1
    not ok 2 - deep
      ---
      failureType: 'subtestsFailed'
      ...
    1..2
not ok 1 - math
  ---
  failureType: 'subtestsFailed'
  ...
not ok 2 - later # TODO
not ok 3 - at the root
  ---
  failureType: 'testCodeFailure'
  ...
1..3
"""
NODE_SPEC = """
▶ math
  ✔ adds (5.785474ms)
  ▶ deep
    ✖ subtracts - well (8.390012ms)
  ✖ deep (9.005226ms)
✖ math (16.98691ms)
ℹ fail 2

✖ failing tests:

test at a.test.js:5:28
✖ subtracts - well (8.390012ms)
  AssertionError [ERR_ASSERTION]: Expected values to be strictly equal:

test at a.test.js:7:1
✖ at the root (0.247518ms)
"""
GO = """
--- FAIL: TestA (0.00s)
    --- PASS: TestA/x (0.00s)
    --- FAIL: TestA/y (0.00s)
        a_test.go:9: no
--- FAIL: TestB (0.00s)
FAIL
FAIL\texample.com/x/pkg\t0.002s
# example.com/y
y.go:3:1: syntax error
FAIL\texample.com/y [build failed]
ok  \texample.com/z\t0.01s
FAIL
"""
GO_JSON = """
{"Time":"2026-01-02T03:04:05Z","Action":"run","Package":"example.com/x","Test":"TestA"}
{"Action":"fail","Package":"example.com/x","Test":"TestA","Elapsed":0}
{"Action":"fail","Package":"example.com/x","Elapsed":0.002}
{"Action":"fail", broken
"""
CARGO = """
running 3 tests
test tests::good ... ok
test tests::bad ... FAILED
test tests::panics - should panic ... FAILED

failures:
    tests::bad
test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out
test src/lib.rs - two (line 1) ... FAILED
"""
NEXTEST = """
        PASS [   0.004s] rs tests::good
        FAIL [   0.005s] rs tests::bad
        FAIL [   0.005s] (2/3) rs::api makes_it
"""

OUTPUTS = {
    "pytest": (
        PYTEST,
        (
            "test_x.py::T::test_bad | test_x.py::T::test_sub | test_x.py::test_p[a b] | "
            "test_x.py::test_p[c - d] | test_x.py::test_q | test_x.py::test_e | "
            "tests/test_broken.py"
        ),
    ),
    "unittest": (
        UNITTEST,
        "test_x.T.test_err | test_x.T.test_old | test_x.T.test_sub (i=1)",
    ),
    "jest": (
        JEST,
        "./a.test.js > math > deep > subtracts - well | ./a.test.js > at the root | src/b.test.tsx",
    ),
    "vitest": (
        VITEST,
        (
            "v/b.test.mjs > math > deep > subtracts - well | v/b.test.mjs > at the root | "
            "src/c.test.ts"
        ),
    ),
    "mocha": (MOCHA, "at the root | math > deep > subtracts - well"),
    "node with TAP": (NODE_TAP, "subtracts - well | at the root"),
    "node": (NODE_SPEC, "subtracts - well | at the root"),
    "go": (
        GO,
        "example.com/x/pkg.TestA/y | example.com/x/pkg.TestB | example.com/y [build failed]",
    ),
    "go as JSON": (GO_JSON, "example.com/x.TestA"),
    "cargo": (CARGO, "tests::bad | tests::panics | src/lib.rs - two (line 1)"),
    "nextest": (NEXTEST, "rs tests::bad | rs::api makes_it"),
}


@pytest.mark.parametrize("program", OUTPUTS)
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_the_failing_tests_of_a_program_are_named(program: str, ending: str) -> None:
    output, names = OUTPUTS[program]
    assert " | ".join(find_failing_tests(output.replace("\n", ending))) == names


@pytest.mark.parametrize(
    "output",
    [
        "",
        "ERROR    root:server.py:12 no connection\n",
        "1) Install it:\n2) Run it:\n",
        "FAIL: the disk is full\n",
        "make: *** [Makefile:3: test] Error 1\n",
        "  ● Console\n",
        "All tests passed\nFAILED to send mail\n",
        "      at Server.emit (node:events:517:28)\n",
    ],
)
def test_what_names_no_test_gives_no_names(output: str) -> None:
    assert find_failing_tests(output) == ()


def test_names_are_bounded_and_safe_to_show() -> None:
    many = "".join(f"FAILED a.py::test_{number}\n" for number in range(500))
    assert len(find_failing_tests(many)) == MOST_TESTS
    (name,) = find_failing_tests("FAILED a.py::test_\u202e" + "x" * 400 + "\n")
    assert "\u202e" not in name
    assert len(name) <= 200
    assert name_failing_tests(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
    assert name_failing_tests([]) == list_failing_tests([]) == ""
    assert list_failing_tests(["a", "b"]) == "2 tests failed:\n- a\n- b\n"


pieces = st.sampled_from(
    [
        *"\n\t[]()- ",
        "FAILED ",
        "a.py::t",
        "not ok 1 - ",
        "  1) ",
        "1 failing",
        "--- FAIL: ",
        "FAIL ",
    ]
)


@given(st.lists(pieces | st.text(max_size=4)).map("".join))
@example("not ok 1 -   spaces before it")
@example("not ok 1 - \x1b]0;\x07 spaces behind an escape sequence")
@example("not ok 1 - \x1b]0;\x07")
def test_any_output_can_be_read(output: str) -> None:
    found = find_failing_tests(output)
    assert len(found) == len({*found})
    assert all(name and name.strip() == name for name in found)
