"""What a work job leaves for the jobs that land: one result for each of its tasks."""

from __future__ import annotations

from dataclasses import dataclass

from concertmaster.model import Built, Outcome, TaskState, Usage

RESULT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one task in one round.

    `head` is the one commit to land, "" where there is nothing to land; `work` the newest commit
    of a task that did not succeed. The one that is there comes as `bundle` (a name in the
    artifact) with this `sha256`. `evidence` is the end of the log that tells why it failed.
    """

    task: str
    state: TaskState
    outcome: Outcome | None = None
    reason: str = ""
    attempts: int = 0
    base: str = ""
    built_on: tuple[Built, ...] = ()
    head: str = ""
    work: str = ""
    no_op: str = ""
    bundle: str = ""
    sha256: str = ""
    notes: tuple[str, ...] = ()
    follow_ups: tuple[str, ...] = ()  # further work that its agent saw
    evidence: str = ""
    seconds: float = 0.0  # of all its attempts
    usage: Usage = Usage()
    resumes_at: float = 0.0  # epoch seconds of a usage limit's end, 0 = not known


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareResults:
    """The results of one share. `base_green` is None where the base was not checked."""

    version: int = RESULT_VERSION
    run: str
    round: int
    share: int
    base: str
    base_green: bool | None
    base_reason: str = ""
    stopped: str = ""  # why no further agent was started
    tasks: tuple[Result, ...]
