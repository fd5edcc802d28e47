"""Tries the setup and the check of a commit once in a fresh worktree, as a run would."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass

from concertmaster.engine.find_run import runs_folder
from concertmaster.engine.integrator import Integrator
from concertmaster.engine.local_run import LocalRun, make_context
from concertmaster.engine.run_home import RunHome
from concertmaster.git.repository import Repository
from concertmaster.model import Plan
from concertmaster.sandbox.supervisor import Guard
from concertmaster.text.display import duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The result of a trial; without a reason it has passed."""

    reason: str
    seconds: float

    @property
    def has_passed(self) -> bool:
        return not self.reason

    def sentence(self) -> str:
        """Return the result as one line."""
        if self.has_passed:
            return f"setup and check pass in a fresh worktree ({duration(self.seconds)})"
        return f"they fail in a fresh worktree: {self.reason}"


def try_commands(plan: Plan, repository: Repository, home: RunHome, *, guard: Guard) -> Trial:
    """Return what came of the plan's setup and check at its base; leave nothing.

    The plan needs no tasks.
    """
    folder = runs_folder(repository) / plan.run
    folder.mkdir(parents=True)
    try:
        run = LocalRun(repository=repository, folder=folder)
        context = make_context(plan, run, home, guard=guard, agents={})
        queue = Integrator(
            context=context, discard=lambda worktree: context.worktrees.remove(worktree.folder)
        )
        verdict = queue.judge_base()
        context.worktrees.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for parent in (folder.parent, folder.parent.parent):
            with suppress(OSError):  # it holds runs
                parent.rmdir()
    if verdict is None:
        return Trial(reason="the trial was stopped", seconds=0.0)
    return Trial(reason="" if verdict.passed else verdict.reason, seconds=verdict.seconds)
