"""Merges, checks and lands batches for the merge queue, one command at a time."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from concertmaster.commands import CheckBase, CheckBatch, LandBatch, MergeCandidate
from concertmaster.engine.diagnosis import diagnose
from concertmaster.engine.logs import (
    describe_failure,
    describe_setup_failure,
    read_evidence,
    read_failing_tests,
)
from concertmaster.engine.run_context import RunContext
from concertmaster.events import (
    BaseChecked,
    BatchChecked,
    BatchLanded,
    MergeConflicted,
    TargetMoved,
)
from concertmaster.git.kept_records import KeptLanding, keep_landing
from concertmaster.git.merge_conflict import Conflict
from concertmaster.git.our_branches import branch_of
from concertmaster.landing import target_branch
from concertmaster.landing.merges import MergedTip, merge_changes
from concertmaster.landing.path_policy import PathVerdict
from concertmaster.landing.squash import shape_batch
from concertmaster.sandbox.exit_status import Exit
from concertmaster.text.display import display
from concertmaster.worktrees.worktree import Worktree

QUEUE = "train"  # the name of its folders, as earlier versions wrote it

Answer = BaseChecked | BatchChecked | MergeConflicted | BatchLanded | TargetMoved


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeCheck:
    """The result of a check of a tree."""

    passed: bool
    reason: str
    seconds: float
    setup_seconds: float = 0.0
    notes: tuple[str, ...] = ()
    cached: bool = False
    evidence: str = ""
    failing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Integrator:
    """The performer of a run's landing commands; `discard` gets worktrees to be removed."""

    context: RunContext
    discard: Callable[[Worktree], None]
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    merged: dict[tuple[str, MergeCandidate], MergedTip] = field(default_factory=dict)

    @property
    def marks(self) -> str:
        """Return the common prefix of the marks of all its checks."""
        return f"{self.context.plan.run}/{QUEUE}/"

    def check_base(self, command: CheckBase) -> BaseChecked | None:
        """Check the run's base; return None if the check was stopped."""
        plan = self.context.plan
        verdict = self.judge_base()
        if verdict is None:
            return None
        return BaseChecked(
            tree=self.context.objects.tree(plan.base),
            passed=verdict.passed,
            reason=verdict.reason,
            seconds=verdict.seconds,
            setup_seconds=verdict.setup_seconds,
            notes=verdict.notes,
            tip=self.context.repository.branch_tip(plan.target),
        )

    def judge_base(self) -> TreeCheck | None:
        """Return the result of setup and check at the base, with what they lack.

        Returns None if they were stopped.
        """
        verdict = self._check(self.context.plan.base, is_base=True)
        if verdict is None or verdict.passed:
            return verdict
        return replace(verdict, reason="; ".join((verdict.reason, *self._diagnose())))

    def _diagnose(self) -> tuple[str, ...]:
        """Return what the base's commands lack in a fresh worktree."""
        context = self.context
        return diagnose(
            *(context.repository, context.plan.base, context.plan.settings),
            environment=context.environment,
            log=context.attempt_folder(QUEUE, 1) / "check.log",
        )

    def check_batch(self, command: CheckBatch) -> BatchChecked | MergeConflicted | None:
        """Merge the candidates in memory, then check the tree in a clean worktree.

        A known tree is not checked again. Returns None if the check was stopped.
        """
        merged = self._merge_all(command)
        if isinstance(merged, MergeConflicted):
            return merged
        commit, reapplied = merged
        tree = self.context.objects.tree(commit)
        verdict = _known(tree, command) or self._check(commit, base=command.tip)
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
            setup_seconds=verdict.setup_seconds,
            cached=verdict.cached,
            evidence=verdict.evidence,
            failing=verdict.failing,
            reapplied=reapplied,
        )

    def _merge(self, tip: str, candidate: MergeCandidate) -> MergedTip | Conflict:
        """Return the merge; a longer prefix of a batch goes on from the merges of a shorter one."""
        known = self.merged.get((tip, candidate))
        if known is not None:
            return known
        result = merge_changes(self.context.objects, tip, candidate, plan=self.context.plan)
        if isinstance(result, MergedTip):
            self.merged[tip, candidate] = result
        return result

    def _merge_all(self, command: CheckBatch) -> tuple[str, tuple[str, ...]] | MergeConflicted:
        """Return the commit of all candidates on the tip, and the tasks that were re-applied.

        A candidate may conflict, or its merge may change what the path policy does not let land.
        """
        commit, merged = command.tip, list[str]()
        reapplied: list[str] = []
        touches = {task.id: task.touches for task in self.context.plan.tasks}
        free = {task.id for task in self.context.plan.tasks if task.lands_anyway}
        for number, candidate in enumerate(command.candidates):
            result = self._merge(commit, candidate)
            clash = MergeConflicted(
                task=candidate.task,
                tip=command.tip,
                behind=tuple(c.task for c in command.candidates[:number]),
                paths=(),
            )
            if isinstance(result, Conflict):
                return replace(clash, paths=result.paths)
            judge, opened = self.context.judge(), touches.get(candidate.task, ())
            verdict = judge.judge_merge(commit, result.commit, touches=opened)
            if verdict and candidate.task not in free:
                held = PathVerdict() if verdict.refused else verdict
                return replace(
                    clash, paths=held.sensitive, classes=held.classes, refusal=verdict.reason
                )
            commit = result.commit
            merged.append(commit)
            if not result.as_it_is:
                reapplied.append(candidate.task)
        plan = self.context.plan
        commit = shape_batch(self.context.objects, command.tip, merged, plan=plan)
        return commit, tuple(reapplied)

    def _check(self, commit: str, *, base: str = "", is_base: bool = False) -> TreeCheck | None:
        """Check the commit in a worktree of its own; return None if the check was stopped.

        The target stands at `base` there. The downloads of the base's setup are kept for later
        worktrees: no agent has run before it, and its code is the user's own.
        """
        began = time.monotonic()
        number = next(self.numbers)
        worktree = self.context.worktrees.create(
            commit,
            task=QUEUE,
            attempt=number,
            branch=branch_of(self.context.plan.run, "train"),
        )
        try:
            if base:
                worktree.compare_with(base)
            notes = self.context.hand_out_downloads(worktree)
            notes += self.context.bring_files(worktree)
            verdict = self._run_commands(worktree, number, commit)
            if verdict is None:
                return None
            notes += verdict.notes
            if is_base and verdict.passed:
                notes += self.context.keep_downloads(worktree)
        finally:
            self.discard(worktree)
        return replace(verdict, seconds=time.monotonic() - began, notes=notes)

    def _run_commands(self, worktree: Worktree, number: int, commit: str) -> TreeCheck | None:
        """Run setup and check; return None if one of them was stopped."""
        settings, mark = self.context.plan.settings, self.context.mark(QUEUE, number)
        log = self.context.attempt_folder(QUEUE, number) / "check.log"
        setup_seconds, notes = 0.0, tuple[str, ...]()
        if settings.setup:
            ended = self.context.run_shell(settings.setup, worktree, mark=mark, log=log)
            setup_seconds = ended.seconds
            if not ended.ok:
                told = describe_setup_failure(settings, ended, log)
                return _judge(ended, told, log=log, setup_seconds=setup_seconds)
            notes = self._look_at_setup(worktree, commit)
        ended = self.context.run_shell(settings.check, worktree, mark=mark, log=log)
        told = describe_failure(f"check `{settings.check}`", ended, log)
        return _judge(ended, told, log=log, setup_seconds=setup_seconds, notes=notes)

    def _look_at_setup(self, worktree: Worktree, commit: str) -> tuple[str, ...]:
        """Return a note on the files of the base that setup changed."""
        if commit != self.context.plan.base:
            return ()
        worktree.begin(commit)
        paths = worktree.changed_by_setup(commit)
        if not paths:
            return ()
        named = display(", ".join(paths), limit=300)
        return (f"setup changes files of the base, and no task's change holds that: {named}",)

    def land_batch(self, command: LandBatch) -> BatchLanded | TargetMoved:
        """Move the target to exactly the tested commit, or the run's own branch if that fails."""
        if command.diverted:
            return self._divert(command, reason="")
        repository, plan = self.context.repository, self.context.plan
        repository.fetch(self.context.objects.path, command.commit)
        result = target_branch.advance_target(
            repository, plan.target, old=command.tip, new=command.commit
        )
        if isinstance(result, target_branch.TargetMovedAway):
            if not result.tip:
                return self._divert(command, reason=f"{plan.target} was deleted")
            return TargetMoved(tip=result.tip)
        if isinstance(result, target_branch.CheckoutBlocked):
            return self._divert(command, reason=result.reason)
        landing = KeptLanding(tasks=command.tasks, commit=command.commit)
        keep_landing(repository, plan.run, landing)
        return BatchLanded(tasks=command.tasks, tip=command.tip, commit=command.commit)

    def _divert(self, command: LandBatch, *, reason: str) -> BatchLanded:
        branch = branch_of(self.context.plan.run, "landed")
        self.context.repository.fetch(
            self.context.objects.path,
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


def _judge(
    ended: Exit, failure: str, *, log: Path, setup_seconds: float, notes: tuple[str, ...] = ()
) -> TreeCheck | None:
    if ended.stopped:
        return None
    return TreeCheck(
        passed=ended.ok,
        reason="" if ended.ok else failure,
        seconds=0.0,
        setup_seconds=setup_seconds,
        notes=notes,
        evidence="" if ended.ok else read_evidence(ended, log),
        failing=read_failing_tests(ended, log),
    )


def _known(tree: str, command: CheckBatch) -> TreeCheck | None:
    if tree in command.green:
        return TreeCheck(passed=True, reason="", seconds=0.0, cached=True)
    if tree in command.red:
        reason = "this tree has failed the check before"
        return TreeCheck(passed=False, reason=reason, seconds=0.0, cached=True)
    return None
