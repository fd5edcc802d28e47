"""Measures the snapshot of an attempt against the commands of git that it needs at least.

Those list what has changed, stage it, write the tree and commit it: what a snapshot was before it
kept hidden work and told setup's changes from the agent's. Times are of the processor, with that
of the commands. Fails when a snapshot takes more than 1.5 times as long.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from processor_time import used_seconds
from worktrees import find_memory, make_repository

from concertmaster.git.command import Git
from concertmaster.git.repository import Repository
from concertmaster.git.run_repository import RunRepository
from concertmaster.worktrees.manager import Worktrees
from concertmaster.worktrees.owner import index_file

MOST_RATIO = 1.5
EDITED = 20  # files, in each round
AT = 1_700_000_000
CHANGED = ("--others", "--modified", "--deleted", "--exclude-standard")


def edit(root: Path, number: int) -> None:
    """Change files as an agent does in one round, and add one."""
    for module in range(EDITED):
        path = root / f"package{module % 50:02}" / f"module{module:05}.py"
        path.write_text(f"value = {number}\n" * 40)
    (root / f"new{number}.py").write_text(f"value = {number}\n")


def measure(action: Callable[[], object]) -> float:
    """Return the seconds of the processor that the action and its commands take."""
    before = used_seconds()
    action()
    return used_seconds() - before


def commit_plainly(files: Path, run: RunRepository, index: Path, base: str) -> None:
    """Commit the files by the commands that it needs at least."""
    git = Git(files, git_dir=run.path, work_tree=files, index=index, private=True)
    listed = git.ask("ls-files", "-z", *CHANGED).out
    git.ask("update-index", "--add", "--remove", "--replace", "-z", "--stdin", stdin=listed)
    who = {
        f"GIT_{role}_{key}": "a" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")
    }
    git.run("commit-tree", git.run("write-tree"), "-p", base, "-m", "Snapshot", env=who)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A run with a repository of many files."""

    run: RunRepository
    worktrees: Worktrees
    base: str

    def attempt(self, number: int) -> tuple[float, float]:
        """Return the seconds of the plain commands and of the snapshot, in one attempt."""
        attempt = self.worktrees.create(self.base, task="task", attempt=number, branch="b/1")
        attempt.begin(self.base)
        ours = index_file(self.run.path, attempt.folder.name)
        # An agent works for longer than a second: later, git need not look into unchanged files.
        later = time.time() + 2
        os.utime(ours, (later, later))
        index = self.run.path.parent / "plain.index"
        shutil.copy2(ours, index)
        edit(attempt.files, number)
        actions = {
            "plain": lambda: commit_plainly(attempt.files, self.run, index, self.base),
            "ours": lambda: attempt.snapshot(parent=self.base, message="Snapshot", at=AT),
        }
        # The first one writes the objects, so they take turns.
        turns = sorted(actions, reverse=number % 2 == 0)
        seconds = {name: measure(actions[name]) for name in turns}
        attempt.remove()
        return seconds["plain"], seconds["ours"]


def set_up(scratch: Path, files: int) -> Bench:
    root = scratch / "project"
    make_repository(root, files)
    user = Repository.open(root)
    base = user.resolve("HEAD")
    run = RunRepository.create(scratch / "run" / "repository.git", user=user)
    worktrees = Worktrees(run, user=user, cache=scratch / "cache", run="benchmark")
    worktrees.name_parts(target="main", base=base)
    return Bench(run=run, worktrees=worktrees, base=base)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--folder", default=find_memory(), help="where to work (default: memory)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        bench = set_up(Path(scratch), options.files)
        times = [bench.attempt(number) for number in range(1, options.rounds + 1)]
    plain, ours = map(min, zip(*times, strict=True))
    print(f"{options.files} files, {EDITED} edited, least of {options.rounds}")
    print(f"plain commands of git {1000 * plain:6.1f} ms")
    print(f"snapshot              {1000 * ours:6.1f} ms")
    print(f"ratio                 {ours / plain:6.2f}    (at most {MOST_RATIO})")
    return 0 if ours <= MOST_RATIO * plain else 1


if __name__ == "__main__":
    sys.exit(main())
