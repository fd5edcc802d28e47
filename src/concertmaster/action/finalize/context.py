"""Gives the steps of finalize the clone, the run's objects and the run's branches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from concertmaster.action.job import Job
from concertmaster.errors import UsageError
from concertmaster.git.our_branches import branch_of
from concertmaster.git.remote import BRANCHES, BranchMove, PushResult, PushState
from concertmaster.git.repository import Repository
from concertmaster.git.run_repository import RunRepository
from concertmaster.model import Plan
from concertmaster.rounds.history import History
from concertmaster.text.markdown import as_code, as_line


class SeenBranches:
    """The branches of a run on the server, as this job found and moved them.

    They change with each push, because only this job moves them and a list costs a call.
    """

    def __init__(self, found: Mapping[str, str]) -> None:
        self._tips = dict(found)

    def tip(self, branch: str) -> str:
        """Return the commit of the branch; "" if the server does not have it."""
        return self._tips.get(branch, "")

    def move(self, branch: str, commit: str) -> None:
        """Note that we moved the branch, or removed it ("")."""
        self._tips[branch] = commit


@dataclass(frozen=True)
class FinalizeContext:
    """The plan, the clone and the objects of one finalize job.

    `objects` holds every head of the round, `viewer` is the login of the token. Nothing of the tree
    is ever executed.
    """

    job: Job
    plan: Plan
    repository: Repository
    objects: RunRepository
    viewer: str

    @cached_property
    def seen(self) -> SeenBranches:
        """Return the run's branches on the server, for which the server is asked once."""
        prefix = f"{BRANCHES}{self.branch('')}"
        return SeenBranches(self.job.remote.tips(self.repository, prefix=prefix))

    def branch(self, name: str) -> str:
        """A branch of this run."""
        return branch_of(self.plan.run, name)

    def tip(self) -> str:
        """Fetch the target and return its tip.

        Raises UsageError when the target is gone.
        """
        target = self.plan.target
        found = self.job.remote.fetch(self.objects, [target])
        if target not in found:
            raise UsageError(
                f"there is no branch {target} any more",
                why="somebody removed or renamed it while the run went on",
                next_step=f"put it back at {self.plan.base}, and run this job again",
            )
        return found[target]

    def has_landed(self, commit: str) -> bool:
        """Return whether the target holds the commit. Raises UsageError as `tip` does."""
        return self.objects.is_ancestor(commit, self.tip())

    def push(self, moves: Sequence[BranchMove]) -> Mapping[str, PushResult]:
        """Push each branch by itself and return the results by branch."""
        return self.job.remote.push(self.objects, moves) if moves else {}

    def set_branches(
        self, history: History, wanted: Mapping[str, str]
    ) -> tuple[History, dict[str, str]]:
        """Move branches of the run to the wanted commits; "" removes a branch.

        `wanted` has branch names within the run as keys. A branch moves only from where we left it.
        Returns the history with the new tips, and the reason (Markdown) for each branch that was
        not moved.
        """
        left = dict(history.tips)
        moves = {}
        for name, commit in wanted.items():
            there = self.seen.tip(self.branch(name))
            if there != commit:
                old = left.get(name, "") if there else ""  # a removed one is made again
                moves[name] = BranchMove(branch=self.branch(name), old=old, new=commit)
        pushed = self.push([*moves.values()])
        failed = {
            name: _explain(move, pushed[move.branch])
            for name, move in moves.items()
            if pushed[move.branch].state is not PushState.DONE
        }
        for name in wanted.keys() - failed.keys():
            left[name] = wanted[name]
            self.seen.move(self.branch(name), wanted[name])
        kept = tuple(sorted((name, commit) for name, commit in left.items() if commit))
        return replace(history, tips=kept), failed


def _explain(move: BranchMove, pushed: PushResult) -> str:
    """Return why the branch was not moved (Markdown)."""
    if pushed.state is PushState.MOVED:
        return f"The branch {as_code(move.branch)} is not as we left it, so it was left alone."
    return f"The branch {as_code(move.branch)} could not be pushed: {as_line(pushed.reason)}"
