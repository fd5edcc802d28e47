"""Names the artifacts that jobs exchange, and computes their digests."""

from __future__ import annotations

import hashlib
from pathlib import Path

# The workflow files upload and download artifacts by the same names.
PLAN, VERIFY, WORK = "concertmaster-plan", "concertmaster-verify", "concertmaster-work-"


def digest_files(*paths: Path) -> str:
    """Return the file's sha256, or for several files that of their sums; "" if one is missing.

    The digest also travels as an output of its job, where no agent can change it.
    """
    if not all(path.is_file() for path in paths):
        return ""
    sums = [_digest_file(path) for path in paths]
    return sums[0] if len(sums) == 1 else hashlib.sha256("\n".join(sums).encode()).hexdigest()


def _digest_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def share_folder(artifacts: Path, share: int) -> Path:
    """Return the folder of the artifact that the share's work job leaves."""
    return artifacts / f"{WORK}{share}"
