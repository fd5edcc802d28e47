"""Runs git in an attempt's worktree, takes snapshots of it and puts traps into it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from concertmaster.git.run_repository import RunRepository
from concertmaster.worktrees.worktree import Snapshot, Worktree

AT = 1_700_000_000
BRANCH = "concertmaster/r1/task"


def git(worktree: Worktree, *args: str) -> str:
    """Run git in the worktree, as the agent would."""
    done = subprocess.run(
        ["git", *args], cwd=worktree.files, check=True, capture_output=True, text=True
    )
    return done.stdout.removesuffix("\n")


def snap(worktree: Worktree, base: str) -> Snapshot:
    return worktree.snapshot(parent=base, message="Snapshot", at=AT)


def changed(run: RunRepository, base: str, snapshot: Snapshot) -> dict[str, str]:
    """Return the new mode of each changed path."""
    return {change.path: change.new_mode for change in run.changes(base, snapshot.commit)}


def plant(command_file: Path, witness: Path) -> str:
    """Write a program that creates `witness` when it runs, and return its path."""
    command_file.write_text(f"#!/bin/sh\ntouch '{witness}'\ncat\n")
    command_file.chmod(0o755)
    return str(command_file)


LENGTHEN = """
import os, sys
while len(os.getcwd()) < 3850 + int(sys.argv[1]):
    os.mkdir("d" * 200)
    os.chdir("d" * 200)
open("f" * 255, "w").close()
"""


def lengthen(place: Path, *, within: Path = Path()) -> None:
    """Put a file into `place` whose path, from `within` on, is longer than any call takes."""
    place.mkdir(exist_ok=True)
    above = len(str(within))
    subprocess.run([sys.executable, "-c", LENGTHEN, str(above)], cwd=place, check=True)
