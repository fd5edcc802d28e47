"""A failed command's words tell what a fresh worktree lacks."""

from __future__ import annotations

import pytest

from concertmaster.planning.failure_causes import Absences, explain_absence, withheld_names

ABSENT = Absences(
    ignored=(".env", "node_modules/", "config/local.json"),
    submodules=("vendor/lib",),
    variables=("DATABASE_URL", "PGHOST"),
    find_program=lambda name: f"node_modules/.bin/{name}" if name == "mocha" else "",
)


@pytest.mark.parametrize(
    ("command", "log", "told"),
    [
        (
            "npm test",
            "sh: 1: mocha: not found",
            "mocha is node_modules/.bin/mocha of",
        ),
        ("make test", "/bin/sh: 1: uv: not found", "the program uv was not found"),
        ("make", "bash: line 3: go: command not found", "the program go was not found"),
        (
            "./x",
            "/usr/bin/env: \u2018node\u2019: No such file or directory",
            "program node was",
        ),
        ("make", "make: cargo: No such file or directory", "the program cargo was not found"),
        ("node x.js", "Error: spawn tsc ENOENT", "the program tsc was not found"),
        ("pytest", "E   ModuleNotFoundError: No module named 'flask'", "the module flask is not"),
        ("node .", "Error: Cannot find module 'express'", "the module express is not installed"),
        (". ./.env && test", "", ".env of your checkout is not committed (untracked or ignored)"),
        ("x", "cannot open config/local.json", "config/local.json of your checkout is not"),
        ("make", "vendor/lib/lib.h: No such file", "the submodule vendor/lib is empty"),
        (
            "x",
            "KeyError: 'DATABASE_URL'",
            "the variable DATABASE_URL of your",
        ),
        ('test -n "$PGHOST"', "", "the variable PGHOST of your environment is withheld"),
    ],
)
def test_the_cause_is_told_with_what_to_do(command: str, log: str, told: str) -> None:
    (cause,) = explain_absence(command, log, ABSENT)
    assert told in cause
    assert any(way in cause for way in ("`setup`", ".worktreeinclude", "`environment:`"))


@pytest.mark.parametrize(
    ("command", "log"),
    [
        ("pytest -q", "1 failed, assert 1 == 2"),
        ("x", "my.env and .envrc and environment"),
        ("git submodule update --init && make", "vendor/lib/lib.h: No such file"),
        ("x", "file: not found"),
        ("node .", "Error: Cannot find module './local'"),
    ],
)
def test_no_cause_is_made_up(command: str, log: str) -> None:
    assert explain_absence(command, log, ABSENT) == ()


def test_each_cause_is_told_once_and_not_too_many() -> None:
    log = "".join(f"sh: 1: tool{number}: not found\n" * 3 for number in range(9))
    assert len(explain_absence("", log, ABSENT)) == 4


def test_variables_of_a_terminal_are_not_meant() -> None:
    names = ("PATH", "DATABASE_URL", "SHLVL", "LS_COLORS", "XDG_SESSION_ID", "_", "API_HOST")
    assert withheld_names(names, ("PATH",)) == ("API_HOST", "DATABASE_URL")
