"""Where an attempt works: its worktree, made once, entered by each phase, saved after it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from concertmaster.commands import RunPhase
from concertmaster.engine.logs import describe_setup_failure
from concertmaster.engine.phase_failure import PhaseFailure, outcome_of
from concertmaster.engine.run_context import RunContext
from concertmaster.git import commit_message
from concertmaster.model import Phase
from concertmaster.worktrees.file_listing import FileListing
from concertmaster.worktrees.worktree import Snapshot, Worktree


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptWorkspace:
    """One phase's view of it."""

    context: RunContext
    command: RunPhase

    @property
    def mark(self) -> str:
        """What every process of the attempt carries in its environment."""
        return self.context.mark(self.command.task.id, self.command.attempt)

    @property
    def folder(self) -> Path:
        """Where the attempt's logs lie."""
        return self.context.attempt_folder(self.command.task.id, self.command.attempt)

    @property
    def began_at(self) -> str:
        """What the phase's change is a change of: what it did before a usage limit counts too."""
        return self.command.interrupted_at or self.command.checkpoint

    def make(self, commit: str) -> tuple[Worktree, float, tuple[str, ...]]:
        """The worktree at the commit, the seconds that its setup took, and notes."""
        task = self.command.task.id
        worktree = self.context.worktrees.create(
            commit,
            task=task,
            attempt=self.command.attempt,
            branch=f"concertmaster/{self.context.plan.run}/{task}",
            name=Path(self.command.folder).name,
        )
        notes = self.context.hand_out_downloads(worktree)
        return worktree, self._set_up(worktree), notes

    def _set_up(self, worktree: Worktree) -> float:
        """The seconds that the setup took; 0 where there is none."""
        settings, log = self.context.plan.settings, self.folder / "setup.log"
        if not settings.setup:
            return 0.0
        ended = self.context.run_shell(settings.setup, worktree, mark=self.mark, log=log)
        if not ended.ok:
            worktree.remove()
            raise PhaseFailure(outcome_of(ended), describe_setup_failure(settings, ended, log))
        return ended.seconds

    def enter(self) -> tuple[Worktree, tuple[str, ...]]:
        """The worktree at its checkpoint, and notes. After a crash what was half done is saved,
        then undone; a worktree that is gone is made anew."""
        command = self.command
        worktree = self.context.worktrees.open(Path(command.folder))
        if worktree is None:
            worktree, _, notes = self.make(command.checkpoint)
            return worktree, ("its worktree was gone", *notes)
        if not command.redo:
            return worktree, ()
        self._save_half_done(worktree)
        if command.phase is Phase.RESEARCH:
            self._renew(worktree)
        else:
            worktree.restore(command.checkpoint)
        return worktree, self.half_done_notes()

    def _renew(self, worktree: Worktree) -> None:
        """As `prepare` left it."""
        worktree.restore(self.command.checkpoint, with_ignored=True)
        self._set_up(worktree)

    def _save_half_done(self, worktree: Worktree) -> None:
        """As a ref, which is there even if we die before anything of it is in the journal."""
        worktree.forget_index()
        half_done = self.snapshot(worktree)
        if self.is_change(half_done):
            self.context.objects.pin(f"{self._half_done_refs}/{half_done.commit}", half_done.commit)

    def half_done_notes(self) -> tuple[str, ...]:
        """Where the work of phases lies in which a process died."""
        saved = self.context.objects.pinned(self._half_done_refs)
        return tuple(
            f"half-done work of an interrupted phase is saved as {commit}" for commit in saved
        )

    @property
    def _half_done_refs(self) -> str:
        command = self.command
        return f"refs/half-done/{command.task.id}/{command.attempt}/{command.phase}"

    def snapshot(self, worktree: Worktree) -> Snapshot:
        """All that lies in the worktree, as a commit on the checkpoint."""
        command, strays = self.command, worktree.undo_strays()
        snapshot = worktree.snapshot(
            parent=command.checkpoint,
            message=commit_message.snapshot_message(
                command.task.id, attempt=command.attempt, phase=command.phase
            ),
            at=self.context.plan.settings.made_at,
        )
        return replace(snapshot, notes=(*snapshot.notes, *_describe_strays(strays)))

    def is_change(self, snapshot: Snapshot) -> bool:
        """Something differs from the checkpoint."""
        return snapshot.tree != self.context.objects.tree(self.command.checkpoint)

    @contextmanager
    def saving(self, worktree: Worktree) -> Iterator[None]:
        """Where the agent fails, what it had done is saved."""
        try:
            yield
        except PhaseFailure as failure:
            snapshot = self.snapshot(worktree)
            if self.is_change(snapshot):
                failure.saved = snapshot.commit
            raise

    def undo_changes(self, worktree: Worktree, before: FileListing) -> tuple[str, ...]:
        """Not every agent can be held to reading; what it wrote goes, also where git ignores it.
        Gives notes."""
        strays = _describe_strays(worktree.undo_strays())
        if not worktree.remove_new(before):
            self._renew(worktree)
        return strays


def _describe_strays(strays: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"put aside, it lay outside the worktree: {stray}" for stray in strays)
