"""Moves the target branch forward and touches nothing else of the user's."""

from __future__ import annotations

import fcntl
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from concertmaster.errors import UsageError
from concertmaster.git.command import Git, GitAnswer, git_fault, split_records
from concertmaster.git.repository import Repository
from concertmaster.retry import retry_while

# Each option switches off something that the user's configuration could switch on.
_FAST_FORWARD = (
    *("merge", "--ff-only", "--quiet", "--no-edit", "--no-stat", "--no-autostash", "--no-squash"),
    *("--commit", "--no-verify-signatures", "--no-overwrite-ignore"),
)
_REBASES = ("rebase-merge", "rebase-apply")
_LONGEST_REASON = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetAdvanced:
    """The target is at the new commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetMovedAway:
    """The target was moved to `tip`, or deleted when it is "". Nothing was changed."""

    tip: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutBlocked:
    """The user's checkout keeps the target from moving."""

    reason: str


def advance_target(
    repository: Repository, branch: str, *, old: str, new: str, patience_seconds: float = 5.0
) -> TargetAdvanced | TargetMovedAway | CheckoutBlocked:
    """Move the branch from exactly `old` forward to `new`, with the files of its checkout.

    Waits for a lock of another git process, at most `patience_seconds`. Raises GitFault when `new`
    does not have `old` in its history.
    """
    with _in_turn(repository):
        return _advance(repository, branch, old, new, patience_seconds)


@contextmanager
def _in_turn(repository: Repository) -> Iterator[None]:
    """Hold the lock that lets only one run at a time move a target.

    When two merges meet, git stops the second one where it moves the branch. By then it has written
    its files to the checkout.
    """
    folder = repository.git_dir / "concertmaster"
    folder.mkdir(exist_ok=True)
    with (folder / "landing.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _advance(
    repository: Repository, branch: str, old: str, new: str, patience_seconds: float
) -> TargetAdvanced | TargetMovedAway | CheckoutBlocked:
    tip = _tip(repository, branch)
    if tip == old != new:
        _check_forward(repository, old, new)
        homes = _homes(repository, branch)
        if len(homes) > 1:
            return CheckoutBlocked(reason=f"{branch} is checked out more than once")
        if _is_rebased(repository, branch):
            return CheckoutBlocked(reason=f"a rebase of {branch} is in progress")
        answer = retry_while(
            _is_locked,
            lambda: _move(repository, branch, homes, old, new),
            seconds=patience_seconds,
        )
        tip = _tip(repository, branch)
        if tip == old:
            return CheckoutBlocked(reason=_reason(answer))
    return TargetAdvanced() if tip == new else TargetMovedAway(tip=tip)


def _tip(repository: Repository, branch: str) -> str:
    try:
        return repository.branch_tip(branch)
    except UsageError:
        return ""


def _check_forward(repository: Repository, old: str, new: str) -> None:
    answer = repository.git.ask("merge-base", "--is-ancestor", old, new)
    if answer.code != 0:
        raise git_fault("merge-base --is-ancestor", answer)


def _homes(repository: Repository, branch: str) -> list[Path]:
    """Return the existing worktrees that have the branch checked out."""
    listing = repository.git.run("worktree", "list", "--porcelain", "-z")
    worktrees = [split_records(block) for block in listing.split("\0\0") if block]
    paths = [Path(lines[0].removeprefix("worktree ")) for lines in worktrees]
    # Where `.git` is a link or a file, git lists the folder of the repository.
    paths[0] = repository.root if repository.is_main else paths[0]
    return [
        path
        for path, lines in zip(paths, worktrees, strict=True)
        if f"branch refs/heads/{branch}" in lines
        and not any(line.split(" ")[0] == "prunable" for line in lines)
    ]


def _is_rebased(repository: Repository, branch: str) -> bool:
    """Return whether a rebase of the branch is in progress.

    A rebase detaches HEAD and moves the branch only when it is done.
    """
    places = [repository.git_dir, *repository.git_dir.glob("worktrees/*")]
    notes = [place / kind / "head-name" for place in places for kind in _REBASES]
    return any(
        note.read_text(errors="surrogateescape").strip() == f"refs/heads/{branch}"
        for note in notes
        if note.is_file()
    )


def _move(repository: Repository, branch: str, homes: list[Path], old: str, new: str) -> GitAnswer:
    if not homes:
        message = "concertmaster: land"
        return repository.git.ask("update-ref", "-m", message, f"refs/heads/{branch}", new, old)
    env = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"branch.{branch}.mergeOptions",
        "GIT_CONFIG_VALUE_0": "",
    }
    return Git(homes[0], private=False).ask(*_FAST_FORWARD, new, env=env)


def _is_locked(answer: GitAnswer) -> bool:
    return answer.code != 0 and ".lock'" in answer.err and "File exists" in answer.err


def _reason(answer: GitAnswer) -> str:
    """Return git's error messages without their prefixes and advice."""
    lines = [re.sub(r"^(error|fatal): ", "", line) for line in answer.err.splitlines()]
    kept = [line for line in lines if line.strip() and not line.startswith(("hint:", "Aborting"))]
    return "\n".join(kept)[:_LONGEST_REASON]
