"""Times the merges of 64 branches on 100,000 files, as the merge queue makes them."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from concertmaster.commands import MergeCandidate
from concertmaster.git.repository import Repository
from concertmaster.git.run_repository import RunRepository
from concertmaster.landing.merges import MergedTip, merge_changes
from concertmaster.model import Plan, RunSettings
from concertmaster.settings.choices import HistoryShape

FILES, FILES_PER_FOLDER, BRANCHES = 100_000, 100, 64
KINDS = ("apart", "joined")  # joined: each branch adds to one changelog as well
MOST_SECONDS = 1.5  # of all 64 merges
WHO = "committer A <a@example.org> 1700000000 +0000\n"
CHANGES = "# Changes\n\n- old\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeTime:
    """The seconds that all merges of a case took."""

    case: str
    seconds: float
    holds: bool


def measure_merges(files: int = FILES, branches: int = BRANCHES) -> Iterator[MergeTime]:
    """Yield the time of merging the branches, for each shape and with one file in common or not.

    Each branch changes two files of its own. Those that are joined add to one changelog as well.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _git(root, "init", "--quiet", "--initial-branch=main")
        stream = "".join(_make_history(files, branches))
        _git(root, "fast-import", "--quiet", stdin=stream)
        user = Repository.open(root)
        base = user.resolve("main")
        objects = RunRepository.create(root / "run" / "repository.git", user=user, base=base)
        for shape in (HistoryShape.MERGE, HistoryShape.LINEAR):
            for kind in KINDS:
                heads = [user.resolve(f"{kind}{number}") for number in range(branches)]
                seconds = _merge_all(objects, base, heads, shape)
                case = f"{branches} branches {kind}, {files:,} files, history {shape}"
                yield MergeTime(case=case, seconds=seconds, holds=seconds <= MOST_SECONDS)


def _git(root: Path, *arguments: str, stdin: str = "") -> None:
    command = ["git", *arguments]
    subprocess.run(command, cwd=root, check=True, capture_output=True, input=stdin.encode())


def _make_history(files: int, branches: int) -> Iterator[str]:
    """Yield the commands that make the base and, of each kind, the branches."""
    yield f"commit refs/heads/main\nmark :1\n{WHO}{_data('base')}"
    yield f"M 100644 inline CHANGES.md\n{_data(CHANGES)}"
    for number in range(files):
        yield f"M 100644 inline {_name(number)}\n{_data(f'value = {number}')}"
    for number in range(branches):
        for kind in KINDS:
            yield f"commit refs/heads/{kind}{number}\n{WHO}{_data(kind)}from :1\n"
            for own in (2 * number, files - 1 - 2 * number):
                yield f"M 100644 inline {_name(own)}\n{_data(f'changed = {number}')}"
            if kind == "joined":
                added = f"{CHANGES}- change {number}\n"
                yield f"M 100644 inline CHANGES.md\n{_data(added)}"


def _name(number: int) -> str:
    folder = number // FILES_PER_FOLDER
    return f"part{folder // FILES_PER_FOLDER:02}/package{folder:04}/{number}.py"


def _data(text: str) -> str:
    return f"data {len(text)}\n{text}\n"


def _merge_all(objects: RunRepository, base: str, heads: list[str], shape: HistoryShape) -> float:
    """Return the seconds that the merges of all heads took."""
    settings = RunSettings(agent="", history=shape)
    plan = Plan(run="run", base=base, target="main", slots=1, settings=settings, tasks=())
    tip, begin = base, time.perf_counter()
    for number, head in enumerate(heads):
        candidate = MergeCandidate(
            task=f"t{number}", title="t", base=base, head=head, as_it_is=True
        )
        merged = merge_changes(objects, tip, candidate, plan=plan)
        assert isinstance(merged, MergedTip)
        tip = merged.commit
    return time.perf_counter() - begin
