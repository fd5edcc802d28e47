"""Records the files of a worktree at the start of a phase."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from concertmaster.errors import GitFault
from concertmaster.git.command import parse_object_id


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseStart:
    """The record of one worktree; it outlives the process."""

    file: Path

    def write(self, checkpoint: str, tree: str) -> None:
        """Record that the files were those of the tree when the phase after a commit began."""
        draft = self.file.with_name(f"{self.file.name}.new")
        draft.write_text(f"{checkpoint} {tree}\n", encoding="ascii")
        draft.replace(self.file)

    def read(self) -> tuple[str, str] | None:
        """Return the checkpoint and the tree, or None without a record that can be read."""
        with suppress(OSError, ValueError, GitFault):
            checkpoint, tree = self.file.read_text(encoding="ascii").split()
            return parse_object_id(checkpoint), parse_object_id(tree)
        return None
