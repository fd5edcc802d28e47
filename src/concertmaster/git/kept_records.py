"""Keeps the plan and the landings of a run on references of the user's repository.

A run whose files are damaged can be repaired from them. `clean` drops them with the run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from concertmaster.git.command import OUR_EMAIL, OUR_NAME, decode, parse_object_id, split_records
from concertmaster.git.our_branches import REFERENCES
from concertmaster.git.repository import Repository

_WHO = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in (("NAME", OUR_NAME), ("EMAIL", OUR_EMAIL))
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptLanding:
    """A landing as its reference tells it: the tasks whose changes came with the commit."""

    tasks: tuple[str, ...]
    commit: str


def keep_files(repository: Repository, run: str, files: Sequence[Path]) -> None:
    """Keep the files by their names. Files of the same name replace each other."""
    names = b"".join(os.fsencode(file.absolute()) + b"\n" for file in files)
    blobs = repository.git.run("hash-object", "-w", "--no-filters", "--stdin-paths", stdin=names)
    named = dict(zip([file.name for file in files], blobs.split(), strict=True))
    listing = "".join(f"100644 blob {blob}\t{name}\0" for name, blob in sorted(named.items()))
    tree = repository.git.run("mktree", "-z", stdin=listing.encode("utf-8", "surrogateescape"))
    repository.git.run("update-ref", f"{_folder(run)}/plan", parse_object_id(tree))


def read_files(repository: Repository, run: str) -> dict[str, bytes]:
    """Return the kept files by name; none if there are none."""
    ref = f"{_folder(run)}/plan"
    listing = split_records(repository.git.ask("ls-tree", "-z", "--name-only", ref).out)
    return {name: repository.git.ask("cat-file", "blob", f"{ref}:{name}").out for name in listing}


def keep_landing(repository: Repository, run: str, landing: KeptLanding) -> None:
    """Keep the landing on a reference of its own."""
    text = json.dumps({"tasks": landing.tasks, "commit": landing.commit}).encode()
    commit = parse_object_id(landing.commit)
    note = repository.git.run(
        *("commit-tree", f"{commit}^{{tree}}", "-p", commit, "-F", "-"), stdin=text, env=_WHO
    )
    repository.git.run("update-ref", f"{_folder(run)}/landings/{commit}", note)


def read_landings(repository: Repository, run: str) -> tuple[KeptLanding, ...]:
    """Return the kept landings, oldest first. Those that cannot be read are left out."""
    options = ("--sort=creatordate", "--format=%(contents)%00")
    out = repository.git.ask("for-each-ref", *options, f"{_folder(run)}/landings").out
    found = (_parse(text) for text in decode(out).split("\0") if text.strip())
    return tuple(landing for landing in found if landing is not None)


def _parse(text: str) -> KeptLanding | None:
    try:
        value = json.loads(text)
        return KeptLanding(
            tasks=tuple(map(str, value["tasks"])), commit=parse_object_id(str(value["commit"]))
        )
    except (ValueError, LookupError, TypeError):
        return None


def drop_references(repository: Repository, run: str) -> None:
    """Delete all references of the run but its branches. Safe to repeat."""
    names = repository.git.run("for-each-ref", "--format=%(refname)", _folder(run)).split()
    deletions = "".join(f"delete {name}\n" for name in names)
    if deletions:
        repository.git.run("update-ref", "--stdin", stdin=deletions.encode())


def _folder(run: str) -> str:
    return f"{REFERENCES}{run}"
