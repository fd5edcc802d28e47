"""Decides whether a pull request may land as it was when somebody asked for it.

The times are those of the server: of a comment, and of the last push to a branch. What a commit
says of its own time proves nothing, because its author writes it.
"""

from __future__ import annotations

from dataclasses import dataclass

from concertmaster.github.models import Pull, Push, read_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedPull:
    """A pull request that a comment asks for, as GitHub shows it now.

    `push` is the last move of its branch, None if GitHub tells none. `missing` says which reviews
    the rules of its base still want.
    """

    pull: Pull
    push: Push | None
    missing: str = ""

    @property
    def is_fork(self) -> bool:
        """Return whether its branch is in another repository, or in none any more."""
        return not self.pull.head


def find_obstacle(asked: AskedPull, *, at: str) -> str:
    """Return why the pull request may not land as it is, or "".

    `at` is the time of the comment, as GitHub writes it. Only a head that was pushed before counts.
    """
    pull = asked.pull
    if pull.is_merged:
        return "it is merged already"
    if not pull.is_open:
        return "it is closed"
    if pull.is_draft:
        return "it is a draft"
    return _doubt_head(pull.head_commit, asked.push, at=at) or asked.missing


def find_change(pull: Pull, *, head: str, missing: str) -> str:
    """Return why a pull request that passed its check may not land any more, or "".

    `head` is the commit that was asked for. `missing` says which reviews are wanted now.
    """
    if not pull.is_open:
        return "it was closed while it was checked"
    if pull.head_commit != head:
        return "somebody pushed to it after `/orchestrate land`"
    if pull.is_draft:
        return "it was made a draft while it was checked"
    return missing


def _doubt_head(head: str, push: Push | None, *, at: str) -> str:
    pushed, asked = read_seconds(push.at if push else ""), read_seconds(at)
    if push is None or pushed is None or asked is None or push.commit != head:
        return (
            "GitHub does not tell when its head was pushed, so nobody can say that it was there "
            "before the comment"
        )
    if pushed >= asked:  # both are whole seconds, so the same one proves nothing
        return "somebody pushed to it after the comment; ask again when you have seen the change"
    return ""
