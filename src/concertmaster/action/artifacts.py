"""The names and digests of the artifacts that jobs hand to each other."""

from __future__ import annotations

import hashlib
from pathlib import Path

# What the jobs leave for one another; the artifacts of GitHub bear the same names.
PLAN, VERIFY, WORK = "concertmaster-plan", "concertmaster-verify", "concertmaster-work-"


def digest_files(*paths: Path) -> str:
    """The file's sha256, of several that of their sha256 sums; "" where one is missing.

    It also travels as an output of its job, where no agent can change it.
    """
    if not all(path.is_file() for path in paths):
        return ""
    sums = [_digest_file(path) for path in paths]
    return sums[0] if len(sums) == 1 else hashlib.sha256("\n".join(sums).encode()).hexdigest()


def _digest_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def share_folder(artifacts: Path, share: int) -> Path:
    """The artifact of a work job."""
    return artifacts / f"{WORK}{share}"
