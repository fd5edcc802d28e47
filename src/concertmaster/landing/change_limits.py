"""Holds one change to limits on its size and content."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from concertmaster.git.blobs import find_sizes
from concertmaster.git.command import ABSENT, SYMLINK, split_records
from concertmaster.git.run_repository import RunRepository
from concertmaster.git.tree_size import count_files
from concertmaster.landing import path_portability
from concertmaster.landing.path_policy import GITLINK
from concertmaster.text.display import display

LONGEST_POINTER = 1024  # bytes, from the specification of LFS
POINTER = b"version https://git-lfs.github.com/spec/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeLimits:
    """The limits of one task's change: number of files, bytes of each file."""

    files: int = 10_000
    file_bytes: int = 100 << 20  # GitHub's limit


def check_change(
    objects: RunRepository, *, base: str, head: str, limits: ChangeLimits = ChangeLimits()
) -> tuple[str, ...]:
    """Return the reasons to refuse a change, apart from the path policy; empty if it may land."""
    too_many = f"it changes more than {limits.files} files"
    before, after = (count_files(objects, commit) for commit in (base, head))
    if after is None or after - (before or 0) > limits.files:
        return (too_many,)  # before any file is listed: a few trees may stand for billions
    changes = objects.changes(base, head)
    if len(changes) > limits.files:
        return (too_many,)
    new = {one.path: one for one in changes if one.new_mode != ABSENT}
    added = [path for path, one in new.items() if one.old_mode == ABSENT]
    paths = split_records(objects.git.run("ls-tree", "-r", "-z", "--name-only", head))
    blobs = {path: one.blob for path, one in new.items() if one.new_mode not in (SYMLINK, GITLINK)}
    return (
        *path_portability.find_unportable_paths(new),
        *path_portability.find_case_collisions(added, paths),
        *_doubt_blobs(objects, blobs, base=base, limits=limits),
    )


def _doubt_blobs(
    objects: RunRepository, blobs: Mapping[str, str], *, base: str, limits: ChangeLimits
) -> Iterator[str]:
    """Yield the reasons to refuse new blobs, given by path: too large, or pointers of LFS."""
    sizes = find_sizes(objects, set(blobs.values()))
    known = set(objects.git.run("ls-tree", "-r", "--format=%(objectname)", base).split("\n"))
    small = {blob for blob, size in sizes.items() if size < LONGEST_POINTER} - known
    found = objects.read_objects(small)
    for path, blob in blobs.items():
        if sizes[blob] > limits.file_bytes:
            most = f"{limits.file_bytes >> 20} MB"
            yield f"{display(path)}: {sizes[blob] >> 20} MB are more than the {most} GitHub takes"
        if found.get(blob, b"").startswith(POINTER):
            yield f"{display(path)}: a file of Git LFS, whose content would not come along"
