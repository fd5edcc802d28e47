"""Makes the worktree of an attempt, opens it for each phase and takes snapshots of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from concertmaster.commands import RunPhase
from concertmaster.engine.logs import describe_setup_failure
from concertmaster.engine.phase_failure import PhaseFailure, outcome_of
from concertmaster.engine.run_context import RunContext
from concertmaster.git import commit_message
from concertmaster.git.our_branches import branch_of
from concertmaster.settings.choices import Phase
from concertmaster.worktrees.file_listing import FileListing
from concertmaster.worktrees.worktree import Snapshot, Worktree

_STRAYS_SHOWN = 5
AGENTS_CHANGES = (Phase.IMPLEMENT, Phase.DOCUMENT)  # phases whose changes are the task's


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptWorkspace:
    """The view of one phase on the attempt's worktree and logs."""

    context: RunContext
    command: RunPhase

    @property
    def mark(self) -> str:
        """Return the mark that every process of the attempt has in its environment."""
        return self.context.mark(self.command.task.id, self.command.attempt)

    @property
    def folder(self) -> Path:
        """Return the folder of the attempt's logs."""
        return self.context.attempt_folder(self.command.task.id, self.command.attempt)

    @property
    def began_at(self) -> str:
        """Return the commit that the phase's change is relative to.

        Changes from before a usage limit count as part of the phase.
        """
        return self.command.interrupted_at or self.command.checkpoint

    def make(self, commit: str, *, set_up_at: str = "") -> tuple[Worktree, float, tuple[str, ...]]:
        """Make the worktree at the commit; return it, the seconds of its setup, and notes.

        Setup runs at the commit `set_up_at` if that is another one. Raises PhaseFailure if setup
        fails.
        """
        worktree, notes = self.create(set_up_at or commit)
        seconds = self.set_up(worktree, set_up_at or commit)
        if set_up_at:
            worktree.restore(commit)
            worktree.begin(commit)
        return worktree, seconds, notes

    def create(self, commit: str) -> tuple[Worktree, tuple[str, ...]]:
        """Make the worktree at the commit, without setup; return it and notes."""
        task = self.command.task.id
        worktree = self.context.worktrees.create(
            commit,
            task=task,
            attempt=self.command.attempt,
            branch=branch_of(self.context.plan.run, task),
            name=Path(self.command.folder).name,
        )
        notes = self.context.hand_out_downloads(worktree)
        return worktree, notes + self.context.bring_files(worktree)

    def set_up(self, worktree: Worktree, commit: str) -> float:
        """Run the setup and return its seconds, 0 if there is none.

        What it leaves is no part of the attempt's change.
        """
        settings, log = self.context.plan.settings, self.folder / "setup.log"
        if not settings.setup:
            return 0.0
        ended = self.context.run_shell(settings.setup, worktree, mark=self.mark, log=log)
        if not ended.ok:
            worktree.remove()
            raise PhaseFailure(outcome_of(ended), describe_setup_failure(settings, ended, log))
        worktree.begin(commit)
        return ended.seconds

    def enter(self) -> tuple[Worktree, tuple[str, ...]]:
        """Return the worktree at its checkpoint, and notes.

        After a crash half-done changes are saved, then undone; a missing worktree is made anew.
        What an agent does from now on is its change.
        """
        worktree, notes = self._open()
        if self.command.phase in AGENTS_CHANGES:
            worktree.begin(self.command.checkpoint)
        return worktree, notes

    def _open(self) -> tuple[Worktree, tuple[str, ...]]:
        command = self.command
        worktree = self.context.worktrees.open(Path(command.folder))
        if worktree is None:
            tip = command.repair.tip if command.repair else ""
            worktree, _, notes = self.make(command.checkpoint, set_up_at=tip)
            return worktree, ("its worktree was gone", *notes)
        if not command.redo:
            return worktree, ()
        worktree.forget_index()
        if command.phase is not Phase.TEST:  # what a check leaves is nobody's work
            self._save_half_done(worktree)
        if command.phase is Phase.RESEARCH:
            self._renew(worktree)
        else:
            worktree.restore(command.checkpoint)
        return worktree, self.half_done_notes()

    def _renew(self, worktree: Worktree) -> None:
        """Restore the worktree to the state in which `prepare` left it."""
        worktree.restore(self.command.checkpoint, with_ignored=True)
        self.context.bring_files(worktree)
        self.set_up(worktree, self.command.checkpoint)

    def _save_half_done(self, worktree: Worktree) -> None:
        """Save half-done changes as a ref, which outlives a crash before the next event."""
        half_done = self.snapshot(worktree)
        if self.is_change(half_done):
            self.context.objects.pin(f"{self._half_done_refs}/{half_done.commit}", half_done.commit)

    def half_done_notes(self) -> tuple[str, ...]:
        """Return notes on where the changes of interrupted phases are saved."""
        saved = self.context.objects.pinned(self._half_done_refs)
        return tuple(
            f"half-done work of an interrupted phase is saved as {commit}" for commit in saved
        )

    @property
    def _half_done_refs(self) -> str:
        command = self.command
        return f"refs/half-done/{command.task.id}/{command.attempt}/{command.phase}"

    def snapshot(self, worktree: Worktree) -> Snapshot:
        """Return a snapshot of the worktree as a commit whose parent is the checkpoint."""
        command, strays = self.command, worktree.undo_strays()
        snapshot = worktree.snapshot(
            parent=command.checkpoint,
            message=commit_message.snapshot_message(
                command.task.id, attempt=command.attempt, phase=command.phase
            ),
            at=self.context.plan.settings.made_at,
        )
        return replace(snapshot, notes=(*snapshot.notes, *self._describe_strays(strays)))

    def is_change(self, snapshot: Snapshot) -> bool:
        """Return whether the snapshot differs from the checkpoint."""
        return snapshot.tree != self.context.objects.tree(self.command.checkpoint)

    @contextmanager
    def saving(self, worktree: Worktree) -> Iterator[None]:
        """Save the agent's changes as `saved` of a PhaseFailure that is raised inside."""
        try:
            yield
        except PhaseFailure as failure:
            snapshot = self.snapshot(worktree)
            failure.notes = (*failure.notes, *snapshot.notes)
            if self.is_change(snapshot):
                failure.saved = snapshot.commit
            raise

    def undo_changes(self, worktree: Worktree, before: FileListing) -> tuple[str, ...]:
        """Remove all changes since `before`, also ignored files; return notes.

        Not every agent can be kept from writing.
        """
        strays = self._describe_strays(worktree.undo_strays())
        if not worktree.remove_new(before):
            self._renew(worktree)
        return strays

    def _describe_strays(self, strays: Sequence[str]) -> tuple[str, ...]:
        """Return one note that names the first strays and where all of them are kept."""
        if not strays:
            return ()
        shown = ", ".join(strays[:_STRAYS_SHOWN])
        more = f" and {len(strays) - _STRAYS_SHOWN} more" if len(strays) > _STRAYS_SHOWN else ""
        place = self.context.folder / "strays"
        return (f"outside the worktree were {shown}{more}; they are kept in {place}/",)
