"""Keeps commits that no branch can hold as bundles on the state branch, and takes them back."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

from concertmaster.errors import EnvironmentFault, GitFault
from concertmaster.git.run_repository import RunRepository
from concertmaster.rounds import bundles
from concertmaster.rounds.state_branch import SavedState

FOLDER = "work"
MOST_KEPT_BYTES = 50 << 20  # GitHub takes files of at most 100 MiB


def name_of(task: str) -> str:
    """Return the path of the task's bundle on the state branch."""
    return f"{FOLDER}/{task}.bundle"


def pack_work(objects: RunRepository, task: str, commit: str, *, base: str) -> bytes | None:
    """Return the bundle with the commit; None if it is larger than MOST_KEPT_BYTES.

    It needs `base`, and has one ref with the name of the task.
    """
    with tempfile.TemporaryDirectory(dir=objects.path) as folder:
        path = Path(folder) / "kept.bundle"
        objects.bundle(path, commit, ref=_ref(task), base=base)
        return path.read_bytes() if path.stat().st_size <= MOST_KEPT_BYTES else None


def take_back(
    objects: RunRepository, state: SavedState | None, wanted: Mapping[str, str]
) -> Mapping[str, str]:
    """Receive the commits `wanted` by task from bundles of the state branch.

    Returns those that could be received, as a fetch does. Whoever can push may have written the
    bundles; a commit counts by its id alone, and its change is judged as every other.
    """
    found: dict[str, str] = {}
    for task, commit in wanted.items() if state else ():
        data = state.file(name_of(task)) if state else None
        if data is None:
            continue
        try:
            bundles.receive_kept(objects, data, task=task, ref=_ref(task), commit=commit)
        except (EnvironmentFault, GitFault):
            continue
        found[commit] = commit
    return found


def find_missing(wanted: Mapping[str, str], fetched: Collection[str]) -> dict[str, str]:
    """Return the commits by task that were not fetched."""
    return {task: commit for task, commit in wanted.items() if commit not in fetched}


def _ref(task: str) -> str:
    return f"refs/heads/concertmaster/kept/{task}"
