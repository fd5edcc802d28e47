"""Reads prompts with the files that were really changed: from CooperBench and from histories."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import combinations, takewhile
from pathlib import Path

from concertmaster.landing.join_appends import join_appends
from concertmaster.landing.three_way import Lines, Region, compare_sides

GROUP = 8  # consecutive commits, all predicted at the parent of the first
MOST_FILES = 30  # a commit that changes more is a move or a mass edit, and no task


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A prompt and the files that its change touched, of those in the base."""

    text: str
    actual: frozenset[str]
    source: str = ""  # the commit, if it comes from a history
    everything: frozenset[str] = frozenset()  # also what the commit adds


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Prompts on one base; `conflicts` tells by pair of positions whether the changes conflict.

    `joined` are the pairs whose conflicts are resolved when they land, by what joins additions.
    """

    repository: Path
    base: str
    cases: tuple[Case, ...]
    conflicts: dict[tuple[int, int], bool] = field(default_factory=dict)
    joined: frozenset[tuple[int, int]] = frozenset()


def git(repository: Path, *args: str, **env: str) -> str:
    """Return the output of a git command, which must succeed."""
    done = subprocess.run(
        ["git", "-C", str(repository), *args],
        capture_output=True,
        check=True,
        env={**os.environ, **env},
    )
    return done.stdout.decode("utf-8", "surrogateescape")


def read_cooperbench(data: Path, clones: Path, *, named: bool) -> Iterator[Group]:
    """Yield the groups whose repository is below `clones`; `named` keeps the lists of files."""
    for group in json.loads(data.read_text())["groups"]:
        clone = _find_clone(clones, group["repo"])
        if clone is None or not _has_commit(clone, group["base"]):
            continue
        position = {one["id"]: at for at, one in enumerate(group["features"])}
        yield Group(
            repository=clone,
            base=group["base"],
            cases=tuple(
                Case(
                    text=one["prompt"] if named else without_files(one["prompt"]),
                    actual=frozenset(one["touched"]),
                )
                for one in group["features"]
            ),
            conflicts={(position[a], position[b]): bad for a, b, bad in group["pairs"]},
        )


def without_files(prompt: str) -> str:
    """Return the prompt without its section "Files Modified"."""
    kept, inside = [], False
    for line in prompt.split("\n"):
        title = line.strip(" #*:").lower()
        if title in ("files modified", "files to modify", "files changed", "modified files"):
            inside = True
        elif line.startswith(("**", "#")):
            inside = False
        if not inside:
            kept.append(line)
    return "\n".join(kept)


def read_history(repository: Path, *, groups: int, skip: int = 0) -> Iterator[Group]:
    """Yield groups of consecutive commits, newest first, at even distances in 30 commits each."""
    log = git(repository, "log", "--no-merges", "--format=%H", f"--max-count={skip + groups * 30}")
    commits = log.split()[skip:]
    for start in range(0, len(commits) - GROUP + 1, 30):
        chosen = commits[start : start + GROUP][::-1]
        parents = git(repository, "rev-list", "--parents", "-n1", chosen[0]).split()[1:]
        if parents:
            yield _group_of(repository, parents[0], chosen)


def _group_of(repository: Path, base: str, commits: Sequence[str]) -> Group:
    tree = set(git(repository, "ls-tree", "-r", "-z", "--name-only", base).split("\0"))
    cases = []
    for commit in commits:
        options = ("-r", "-z", "--name-only", "--no-commit-id", "--no-renames")
        paths = [p for p in git(repository, "diff-tree", *options, commit).split("\0") if p]
        actual = frozenset(paths) & tree
        if actual and len(paths) <= MOST_FILES:
            text = git(repository, "log", "-n1", "--format=%B", commit).strip()
            cases.append(Case(text=text, actual=actual, source=commit, everything=frozenset(paths)))
    found = _replay(repository, cases)
    return Group(
        repository=repository,
        base=base,
        cases=tuple(cases),
        conflicts={pair: side is not Side.CLEAN for pair, side in found.items()},
        joined=frozenset(pair for pair, side in found.items() if side is Side.JOINED),
    )


class Side(Enum):
    """What became of two changes that were made side by side."""

    CLEAN = auto()
    JOINED = auto()
    CONFLICT = auto()


def _replay(repository: Path, cases: Sequence[Case]) -> dict[tuple[int, int], Side]:
    """Return what becomes of the changes of two commits when they are made side by side.

    The later one is moved to a tree without the earlier one. Pairs where the earlier one cannot be
    taken back alone are left out. Changes without a common file do not conflict.
    """
    found = {}
    with _scratch(repository) as scratch:
        for (a, one), (b, other) in combinations(enumerate(cases), 2):
            if not one.everything & other.everything:
                found[a, b] = Side.CLEAN
            elif without := _merged(scratch, one.source, f"{other.source}^", f"{one.source}^"):
                found[a, b] = _compare(scratch, f"{other.source}^", other.source, without)
    return found


@contextmanager
def _scratch(repository: Path) -> Iterator[Path]:
    """Give a bare repository that reads the objects of another and keeps its own."""
    objects = git(repository, "rev-parse", "--path-format=absolute", "--git-path", "objects")
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        git(scratch, "init", "--quiet", "--bare")
        (scratch / "objects/info/alternates").write_text(objects.strip() + "\n")
        yield scratch


def _merged(scratch: Path, ancestor: str, one: str, other: str) -> str:
    """Return the tree of a merge of three trees, "" if they conflict."""
    done = _merge(scratch, ancestor, one, other)
    return done.stdout.decode().split("\0")[0] if done.returncode == 0 else ""


def _compare(scratch: Path, ancestor: str, one: str, other: str) -> Side:
    """Return what becomes of a merge of three trees."""
    done = _merge(scratch, ancestor, one, other)
    if done.returncode == 0:
        return Side.CLEAN
    versions: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for record in done.stdout.split(b"\0\0")[0].decode(errors="replace").split("\0")[1:]:
        about, _, path = record.partition("\t")
        _, blob, stage = about.split(" ")
        versions[path][stage] = blob
    is_joined = all(_can_join(scratch, path, blobs) for path, blobs in versions.items())
    return Side.JOINED if is_joined else Side.CONFLICT


def _can_join(scratch: Path, path: str, blobs: dict[str, str]) -> bool:
    """Return whether the additions of both commits to the file are joined when they land.

    The sides are the earlier commit, both commits, and neither; so the later one alone is made
    by taking the lines of the earlier one out of the lines of both.
    """
    if len(blobs) < 3:
        return False
    earlier, both, neither = (_read(scratch, blobs[stage]) for stage in "123")
    later: list[bytes] = []
    for part in compare_sides(
        *(side.splitlines(keepends=True) for side in (earlier, both, neither))
    ):
        alone = _take_out(part)
        if alone is None:
            return False
        later += alone
    return join_appends(path, base=neither, ours=earlier, theirs=b"".join(later)) is not None


def _take_out(part: Region) -> Lines | None:
    """Return what the later commit alone has in place of the part, None if it cannot be told."""
    if part.ours == part.base:
        return part.theirs
    if part.theirs == part.base:
        return part.ours
    pairs = zip(part.base, part.ours, strict=False)
    begin = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    end = len(part.base) - begin
    added = part.ours[begin : len(part.ours) - end]
    is_insertion = part.base[begin:] == part.ours[len(part.ours) - end :]
    return added if not part.theirs and is_insertion else None


def _read(scratch: Path, blob: str) -> bytes:
    command = ["git", "-C", str(scratch), "cat-file", "blob", blob]
    return subprocess.run(command, capture_output=True, check=True).stdout


def _merge(
    scratch: Path, ancestor: str, one: str, other: str
) -> subprocess.CompletedProcess[bytes]:
    root = _commit(scratch, ancestor)
    sides = [_commit(scratch, side, root) for side in (one, other)]
    command = ["git", "-C", str(scratch), "merge-tree", "--write-tree", "-z", *sides]
    return subprocess.run(command, capture_output=True, check=False)


def _commit(scratch: Path, source: str, *parents: str) -> str:
    """Return a commit with the tree of another commit or with a tree."""
    tree = git(scratch, "rev-parse", f"{source}^{{tree}}").strip()
    who = {
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in (("NAME", "x"), ("EMAIL", "x"), ("DATE", "@0 +0000"))
    }
    onto = [word for parent in parents for word in ("-p", parent)]
    return git(scratch, "commit-tree", tree, *onto, "-m", "x", **who).strip()


def _find_clone(clones: Path, name: str) -> Path | None:
    places = (clones / name, clones / name.rpartition("/")[2])
    return next((place for place in places if place.exists()), None)


def _has_commit(clone: Path, commit: str) -> bool:
    command = ["git", "-C", str(clone), "cat-file", "-e", f"{commit}^{{commit}}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
