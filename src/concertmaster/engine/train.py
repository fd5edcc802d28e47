"""The train: merges, checks and lands, one thing at a time."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from concertmaster.adapters import target
from concertmaster.adapters.run_repository import Conflict
from concertmaster.adapters.worktree import Worktree
from concertmaster.core.command import CheckBase, CheckBatch, LandBatch
from concertmaster.core.events import (
    BaseChecked,
    BatchChecked,
    BatchLanded,
    MergeConflicted,
    TargetMoved,
)
from concertmaster.engine.merging import join
from concertmaster.engine.site import Site, describe_failure

TRAIN = "train"

Answer = BaseChecked | BatchChecked | MergeConflicted | BatchLanded | TargetMoved


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a check said of a tree."""

    passed: bool
    reason: str
    seconds: float
    cached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Train:
    """Performs the landing commands of one run. `discard` gets worktrees that have served."""

    site: Site
    discard: Callable[[Worktree], None]
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def marks(self) -> str:
        """How the marks of all its checks begin."""
        return f"{self.site.plan.run}/{TRAIN}/"

    def check_base(self, command: CheckBase) -> BaseChecked | None:
        """Is the commit that every task starts from green? None when the check was stopped."""
        plan = self.site.plan
        verdict = self._check(plan.base)
        if verdict is None:
            return None
        return BaseChecked(
            tree=self.site.objects.tree(plan.base),
            passed=verdict.passed,
            reason=verdict.reason,
            seconds=verdict.seconds,
            tip=self.site.repository.branch_tip(plan.target),
        )

    def check_batch(self, command: CheckBatch) -> BatchChecked | MergeConflicted | None:
        """Merge in memory, then check the tree in a clean worktree, unless it is known.

        None when the check was stopped.
        """
        commit, plan = command.tip, self.site.plan
        reapplied: list[str] = []
        for number, candidate in enumerate(command.candidates):
            result = join(
                self.site.objects,
                commit,
                candidate,
                run=plan.run,
                made_at=plan.settings.made_at,
            )
            if isinstance(result, Conflict):
                return MergeConflicted(
                    task=candidate.task,
                    tip=command.tip,
                    behind=tuple(c.task for c in command.candidates[:number]),
                    paths=result.paths,
                )
            commit = result.commit
            if not result.as_it_is:
                reapplied.append(candidate.task)
        tree = self.site.objects.tree(commit)
        verdict = _known(tree, command) or self._check(commit)
        if verdict is None:
            return None
        return BatchChecked(
            tasks=tuple(c.task for c in command.candidates),
            tip=command.tip,
            commit=commit,
            tree=tree,
            passed=verdict.passed,
            reason=verdict.reason,
            seconds=verdict.seconds,
            cached=verdict.cached,
            reapplied=tuple(reapplied),
        )

    def _check(self, commit: str) -> Verdict | None:
        began = time.monotonic()
        number = next(self.numbers)
        log = self.site.attempt_folder(TRAIN, number) / "check.log"
        worktree = self.site.worktrees.create(
            commit, task=TRAIN, attempt=number, branch=f"concertmaster/{self.site.plan.run}/train"
        )
        try:
            reason, mark = "", self.site.mark(TRAIN, number)
            for what, shell in self._commands():
                ended = self.site.run_shell(shell, worktree, mark=mark, log=log)
                if ended.stopped:
                    return None
                if not ended.ok:
                    reason = describe_failure(f"{what} `{shell}`", ended, log)
                    break
        finally:
            self.discard(worktree)
        return Verdict(passed=not reason, reason=reason, seconds=time.monotonic() - began)

    def _commands(self) -> tuple[tuple[str, str], ...]:
        settings = self.site.plan.settings
        setup = (("setup", settings.setup),) if settings.setup else ()
        return (*setup, ("check", settings.check))

    def land_batch(self, command: LandBatch) -> BatchLanded | TargetMoved:
        """Move the target to exactly the tested commit; if it cannot be moved, our own branch."""
        if command.diverted:
            return self._divert(command, reason="")
        repository, plan = self.site.repository, self.site.plan
        repository.fetch(self.site.objects.path, command.commit)
        result = target.advance(repository, plan.target, old=command.tip, new=command.commit)
        if isinstance(result, target.Moved):
            return TargetMoved(tip=result.tip)
        if isinstance(result, target.InTheWay):
            return self._divert(command, reason=result.reason)
        return BatchLanded(tasks=command.tasks, tip=command.tip, commit=command.commit)

    def _divert(self, command: LandBatch, *, reason: str) -> BatchLanded:
        branch = f"concertmaster/{self.site.plan.run}/landed"
        self.site.repository.fetch(
            self.site.objects.path,
            command.commit,
            ref=f"refs/heads/{branch}",
            old=command.tip if command.diverted else None,
        )
        return BatchLanded(
            tasks=command.tasks,
            tip=command.tip,
            commit=command.commit,
            branch=branch,
            reason=reason,
        )


def _known(tree: str, command: CheckBatch) -> Verdict | None:
    if tree in command.green:
        return Verdict(passed=True, reason="", seconds=0.0, cached=True)
    if tree in command.red:
        reason = "this tree has failed the check before"
        return Verdict(passed=False, reason=reason, seconds=0.0, cached=True)
    return None
