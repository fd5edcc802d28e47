"""Measures worktrees made by 32 threads without a lock against `git worktree add` one by one.

Fails when one creation fails, when anything is left behind, or when they take more than twice
the time of the plain ones divided by the cores.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from concertmaster.errors import Error
from concertmaster.git.repository import Repository
from concertmaster.git.run_repository import RunRepository
from concertmaster.worktrees.manager import Worktrees
from concertmaster.worktrees.worktree import Worktree

LINES_PER_FILE = 40
FACTOR = 2.0


def git(folder: Path, *args: str) -> None:
    subprocess.run(["git", *args], cwd=folder, check=True, capture_output=True)


def make_repository(root: Path, files: int) -> None:
    for number in range(files):
        path = root / f"package{number % 50:02}" / f"module{number:05}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"value = {number}\n" * LINES_PER_FILE)
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "add", "--all")
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    git(root, *identity, "commit", "--quiet", "--message=Start")
    git(root, "repack", "-adq")


def add_plain(root: Path, places: list[Path]) -> float:
    """Return the seconds for one `git worktree add` after the other."""
    os.sync()  # neither side pays for what the other left to the disk
    begin = time.perf_counter()
    for place in places:
        git(root, "worktree", "add", "--quiet", "--detach", str(place))
    seconds = time.perf_counter() - begin
    for place in places:
        git(root, "worktree", "remove", "--force", str(place))
    return seconds


def add_ours(worktrees: Worktrees, base: str, *, count: int, threads: int) -> tuple[float, int]:
    """Return the seconds for `count` creations at once, and how many of them failed."""

    def create(number: int) -> Worktree | None:
        try:
            return worktrees.create(base, task=f"task{number}", attempt=1, branch=f"b/{number}")
        except Error as error:
            print(error, error.why, file=sys.stderr)
            return None

    os.sync()
    begin = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        made = list(pool.map(create, range(count)))
    seconds = time.perf_counter() - begin
    failed = sum(worktree is None or is_wrong(worktree) for worktree in made)
    for worktree in made:
        if worktree is not None:
            worktree.remove()
    return seconds, failed


def is_wrong(worktree: Worktree) -> bool:
    command = ["git", "status", "--porcelain"]
    done = subprocess.run(command, cwd=worktree.files, capture_output=True, check=False)
    return done.returncode != 0 or done.stdout != b""


def measure(scratch: Path, options: argparse.Namespace) -> bool:
    """Return whether all three conditions hold."""
    root, cache = scratch / "project", scratch / "cache"
    make_repository(root, options.files)
    user = Repository.open(root)
    run = RunRepository.create(scratch / "run" / "repository.git", user=user)
    worktrees = Worktrees(run, user=user, cache=cache, run="benchmark")
    base = user.resolve("HEAD")
    cores = len(os.sched_getaffinity(0))
    plain = ours = 0.0
    failures = 0
    for number in range(options.rounds):
        places = [scratch / f"plain{index}" for index in range(options.threads)]
        if number % 2:  # a disk is slow for whoever comes after a removal, so take turns
            plain += add_plain(root, places)
        seconds, failed = add_ours(worktrees, base, count=options.threads, threads=options.threads)
        if not number % 2:
            plain += add_plain(root, places)
        ours += seconds
        failures += failed
        print(f"round {number + 1}: {plain:.1f} s plain, {ours:.1f} s ours so far", flush=True)
    total = options.rounds * options.threads
    left = [*cache.iterdir(), *(run.path.parent / "indexes").iterdir()]
    limit = FACTOR * plain / cores
    print(f"{options.files} files, {options.threads} threads, {cores} cores, {total} worktrees")
    print(f"plain, one by one  {1000 * plain / total:7.1f} ms each")
    print(f"ours, all at once  {1000 * ours / total:7.1f} ms each")
    print(f"limit              {1000 * limit / total:7.1f} ms each ({FACTOR} x plain / cores)")
    print(f"failures {failures} of {total}, left behind {len(left)}")
    return failures == 0 and not left and ours <= limit


def find_memory() -> str | None:
    """Return a file system in memory: a disk takes 3 s or 57 s, by what was removed before."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--threads", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--folder", default=find_memory(), help="where to work (default: memory)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        return 0 if measure(Path(scratch), options) else 1


if __name__ == "__main__":
    sys.exit(main())
