"""Remembers what the merges of a run added to its base, so that git need not walk all of it.

Git finds the merge base of two commits by a walk over everything that is new since then. In a run
of thousands of merges that would cost more for each merge than for the one before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from concertmaster.git.command import Git
from concertmaster.persistent import PersistentSet

LONG_HISTORY = 200  # merges; a shorter walk takes less time than asking what a side adds


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tip:
    """A commit with all that it has and its origin has not; `theirs` is merged into it next."""

    commit: str
    added: PersistentSet[str]
    theirs: str
    own: tuple[str, ...]  # what `theirs` has and the origin has not


class MergeHistory:
    """The commits that were made in a run's repository, each with its origin.

    The origin of a commit is the first one on the line of its first parents that was not made here.
    """

    def __init__(self, git: Git) -> None:
        self._git = git
        self._origins: dict[str, tuple[str, int]] = {}
        self._tip: _Tip | None = None  # of the last long history

    def add(self, made: str, parents: tuple[str, ...]) -> None:
        """Take note of a commit that was made."""
        if not parents:
            return
        origin, steps = self._origins.get(parents[0], (parents[0], 0))
        self._origins[made] = (origin, steps + 1)
        tip = self._tip
        if tip is not None and parents in ((tip.commit,), (tip.commit, tip.theirs)):
            added = tip.added.update((made, *(tip.own if len(parents) > 1 else ())))
            self._tip = replace(tip, commit=made, added=added)

    def find_origin(self, ours: str, theirs: str) -> str:
        """Return a commit that has the same merge bases with `theirs` as `ours` has.

        Returns "" if the history of `ours` is short, or if `theirs` shares commits with what the
        run added to it.
        """
        origin, steps = self._origins.get(ours, (ours, 0))
        if steps < LONG_HISTORY:
            return ""
        known = self._tip
        is_known = known is not None and known.commit == ours
        added = known.added if known and is_known else PersistentSet(self._list(ours, origin))
        own = self._list(theirs, origin)
        self._tip = _Tip(commit=ours, added=added, theirs=theirs, own=own)
        return "" if any(one in added for one in own) else origin

    def _list(self, commit: str, origin: str) -> tuple[str, ...]:
        """Return the commits in the history of one that are not in that of the other."""
        return tuple(self._git.run("rev-list", commit, f"^{origin}").split())
