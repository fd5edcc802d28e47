"""Helps tests of attempts with users of their own: they need root and folders open to all."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

needs_root = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0,
    reason="only root on Linux can run commands as users of their own",
)


def make_open_folder() -> Iterator[Path]:
    """Yield a folder like pytest's `tmp_path`, but which every user can pass through."""
    folder = Path(tempfile.mkdtemp(prefix="concertmaster-test-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


def attack(attacks: Mapping[str, str]) -> str:
    """Return a script that prints the names of the attacks that succeed."""
    tries = [f"if ( {it} ) > /dev/null 2>&1; then echo {name}; fi" for name, it in attacks.items()]
    return "\n".join(tries)
