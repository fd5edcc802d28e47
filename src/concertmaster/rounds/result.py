"""Defines the results that a work job leaves for the jobs that land."""

from __future__ import annotations

from dataclasses import dataclass

from concertmaster.model import MachineState, Outcome, TaskResult, Usage

RESULT_VERSION = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkResult(TaskResult):
    """What work on a task came to and what it used; an artifact and the history hold it.

    `work` is the newest commit of a task that did not succeed. `said` are its agent's words in the
    message of its `head`. `evidence` is the end of the log
    that shows why the task failed.
    """

    outcome: Outcome | None = None  # of its last attempt
    attempts: int = 0
    work: str = ""
    notes: tuple[str, ...] = ()
    said: str = ""
    review: str = ""  # the comments of the reviewer who approved the change
    follow_ups: tuple[str, ...] = ()  # prompts that its agents proposed
    evidence: str = ""
    machine: MachineState | None = None  # when it failed; version 1 did not tell it
    seconds: float = 0.0  # of all its attempts
    usage: Usage = Usage()
    resumes_at: float = 0.0  # epoch seconds of a usage limit's end, 0 = not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Result(WorkResult):
    """The result of one task in one round.

    Its `head` or `work`, whichever is set, comes in the file `bundle` (a path in the artifact) with
    the digest `sha256`.
    """

    no_op: str = ""  # the reason why there is nothing to change
    bundle: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareResults:
    """The results of one share. `base_green` is None if the base was not checked."""

    version: int = RESULT_VERSION
    run: str
    round: int
    share: int
    base: str
    base_green: bool | None
    base_reason: str = ""
    stopped: str = ""  # the reason why no further agent was started
    tasks: tuple[Result, ...]
