"""Reads single files of commits, and the sizes of objects."""

from __future__ import annotations

from concertmaster.git.command import parse_object_id
from concertmaster.git.run_repository import RunRepository


def read_file(objects: RunRepository, commit: str, path: str) -> bytes | None:
    """Return the content of the commit's file at `path`, or None if there is none."""
    answer = objects.git.ask("cat-file", "blob", f"{parse_object_id(commit)}:{path}")
    return answer.out if answer.code == 0 else None


def find_sizes(objects: RunRepository, ids: set[str]) -> dict[str, int]:
    """Return the size of each object in bytes, by id; all of them must exist."""
    if not ids:
        return {}
    wanted = "".join(f"{one}\n" for one in sorted(ids)).encode()
    form = "--batch-check=%(objectname) %(objectsize)"
    lines = objects.git.run("cat-file", form, stdin=wanted).splitlines()
    return {one: int(size) for one, size in (line.split(" ") for line in lines)}
