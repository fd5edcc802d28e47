"""Names our own branches and references; all lie in the folder `concertmaster`."""

from __future__ import annotations

FOLDER = "concertmaster"
PREFIX = f"{FOLDER}/"
REFERENCES = f"refs/{PREFIX}"


def branch_of(run: str, name: str) -> str:
    """Return the branch of a run: that of a task by its id, or one such as `landed`."""
    return f"{PREFIX}{run}/{name}"


def reference_of(run: str, name: str) -> str:
    """Return the reference of a run that no branch shows, in full."""
    return f"{REFERENCES}{run}/{name}"
