"""Tells what a fresh worktree lacks, from the words of a command that failed there."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

MOST_CAUSES = 4
LONGEST_LOG = 64 * 1024  # characters; the end is read
_NAME = r"[\w.+@/-]{1,100}"
_QUOTE = "['\"\u2018\u2019`]?"
# How shells, env, make, npm and scripts say that a program is missing.
_NO_PROGRAM = re.compile(
    rf"^(?:\S{{0,60}}sh|/bin/sh): (?:line )?(?:\d+: )?({_NAME}): (?:command )?not found"
    rf"|^(?:/usr/bin/)?env: {_QUOTE}({_NAME}){_QUOTE}: No such file"
    rf"|^make(?:\[\d+\])?: ({_NAME}): No such file"
    rf"|spawn ({_NAME}) ENOENT"
    rf"|^error: Failed to spawn: {_QUOTE}({_NAME}){_QUOTE}",
    re.MULTILINE,
)
_NO_MODULE = re.compile(r"No module named '?([\w.]{1,100})'?|Cannot find module '([^'\n]{1,200})'")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{2,}")
# Variables of a shell, a terminal or a desktop, which no check means.
_USUAL = re.compile(
    r"PWD|OLDPWD|SHLVL|_|LS_COLORS|LESS\w*|PS\d|COLUMNS|LINES|EDITOR|PAGER|VISUAL|DISPLAY"
    r"|XDG_\w*|DBUS_\w*|SSH_\w*|GPG_\w*|TERM_\w*|COLORTERM|WINDOWID|MAIL|HISTSIZE|HOSTNAME"
    r"|CONCERTMASTER_\w*|GIT_\w*|GITHUB_\w*|RUNNER_\w*|ACTIONS_\w*|INPUT_\w*|npm_\w*"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Absences:
    """What the checkout has and a fresh worktree lacks.

    `ignored` are untracked entries; a folder ends with a slash. `submodules` are their paths,
    `variables` the names that are withheld. `find_program` returns the path of a program in an
    ignored folder, "" if there is none.
    """

    ignored: Collection[str] = ()
    submodules: Collection[str] = ()
    variables: Collection[str] = ()
    find_program: Callable[[str], str] = lambda _: ""


def explain_absence(command: str, log: str, absent: Absences) -> tuple[str, ...]:
    """Return one sentence for each likely cause, with what to do; none if nothing fits.

    `command` is the setup and the check, `log` what they wrote.
    """
    words = f"{command}\n{log[-LONGEST_LOG:]}"
    causes = (
        *_programs(log[-LONGEST_LOG:], absent),
        *_submodules(command, words, absent),
        *_files(words, absent),
        *_variables(words, absent),
    )
    return tuple(dict.fromkeys(causes))[:MOST_CAUSES]


def withheld_names(environment: Collection[str], passed: Collection[str]) -> tuple[str, ...]:
    """Return the names of variables that a check may mean and does not get."""
    names = sorted(set(environment) - set(passed))
    return tuple(name for name in names if not _USUAL.fullmatch(name) and _WORD.fullmatch(name))


def _programs(log: str, absent: Absences) -> Iterator[str]:
    for found in _NO_PROGRAM.finditer(log):
        program = next(name for name in found.groups() if name)
        place = absent.find_program(program)
        if place:
            yield (
                f"the program {program} is {place} of your checkout, which is not committed, and "
                "a fresh worktree has only what is: let `setup` make it"
            )
        else:
            yield f"the program {program} was not found: install it, or let `setup` do it"
    for found in _NO_MODULE.finditer(log):
        module = found[1] or found[2]
        if not module.startswith((".", "/")):
            yield f"the module {module} is not installed in a fresh worktree: let `setup` do it"


def _submodules(command: str, words: str, absent: Absences) -> Iterator[str]:
    if "submodule" in command:
        return
    for path in absent.submodules:
        if _mentions(words, path):
            yield (
                f"the submodule {path} is empty in a fresh worktree: begin `setup` with "
                "`git submodule update --init`"
            )


def _files(words: str, absent: Absences) -> Iterator[str]:
    for path in absent.ignored:
        if not path.endswith("/") and _mentions(words, path):
            yield (
                f"{path} of your checkout is not committed (untracked or ignored), so a fresh "
                "worktree lacks it: name it in .worktreeinclude, or let `setup` make it"
            )


def _variables(words: str, absent: Absences) -> Iterator[str]:
    mentioned = set(_WORD.findall(words))
    for name in absent.variables:
        if name in mentioned:
            yield (
                f"the variable {name} of your environment is withheld from commands: name it in "
                "`environment:`"
            )


def _mentions(words: str, path: str) -> bool:
    """Return whether the words name the path, or its last part if it is telling."""
    names = {path, path.rpartition("/")[2]}
    return any(
        name in words and re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", words)
        for name in names
        if name
    )
