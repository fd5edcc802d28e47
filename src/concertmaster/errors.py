"""Declares the errors that users see: what happened, why, and what to do next.

The exit codes are the command line's contract: 1 some tasks did not land, 2 usage,
3 environment, 4 stopped by budget or limit, 130 interrupted.
"""

from __future__ import annotations


class Error(Exception):
    """The base class of all errors; only `cli` turns it into a message and an exit code."""

    exit_code = 1

    def __init__(self, what: str, *, why: str = "", next_step: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.next_step = next_step


class UsageError(Error):
    """A request that cannot be understood or makes no sense; nothing was changed."""

    exit_code = 2


class EnvironmentFault(Error):
    """A machine, repository or program that is not fit for the run."""

    exit_code = 3


class GitFault(EnvironmentFault):
    """A git command that failed in a way that no caller expected."""


class Stopped(Error):
    """A run that a budget or a usage limit ended early; `resume` goes on."""

    exit_code = 4


class Interrupted(Error):
    """A program that the user stopped; `resume` goes on."""

    exit_code = 130
