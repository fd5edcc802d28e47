"""Runs git in the double's bare repositories."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tests.github.people import User

ZERO = "0" * 40
WORKFLOWS = ".github/workflows/"


def environment() -> dict[str, str]:
    """Return the environment of git processes, without the machine's git configuration."""
    return {
        "PATH": os.environ["PATH"],
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }


class GitFailed(Exception):
    """A git command failed; the message is its stderr."""


class Moved(Exception):
    """A ref does not have its expected value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    name: str
    email: str
    date: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    sha: str
    tree: str
    parents: tuple[str, ...]
    author: Person
    committer: Person
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry of a tree; `size` is in bytes, None for trees and submodules."""

    mode: str
    kind: str
    sha: str
    size: int | None
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    path: str
    status: str
    additions: int
    deletions: int
    sha: str


STATUSES = {"A": "added", "D": "removed", "M": "modified", "T": "changed"}


class Bare:
    """A bare repository; `arriving` holds the objects of a push that is not accepted yet."""

    def __init__(self, folder: Path, *, arriving: Path | None = None) -> None:
        self.folder = folder
        self._objects = {} if arriving is None else quarantine(folder, arriving)

    def run(self, *args: str, stdin: bytes = b"", more: Mapping[str, str] | None = None) -> bytes:
        done = subprocess.run(
            ["git", *args],
            cwd=self.folder,
            input=stdin,
            env=environment() | self._objects | dict(more or {}),
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise GitFailed(done.stderr.decode(errors="replace").strip())
        return done.stdout

    def text(self, *args: str, stdin: bytes = b"", more: Mapping[str, str] | None = None) -> str:
        return self.run(*args, stdin=stdin, more=more).decode(errors="replace").rstrip("\n")

    def says_yes(self, *args: str) -> bool:
        try:
            self.run(*args)
        except GitFailed:
            return False
        return True

    def find(self, name: str, *, kind: str = "commit") -> str | None:
        """Return the id of the object that a branch, a ref or an id names, or None."""
        for candidate in (f"refs/heads/{name}", f"refs/{name}", name):
            try:
                verified = ["rev-parse", "--verify", "--quiet", "--end-of-options"]
                return self.text(*verified, f"{candidate}^{{{kind}}}").splitlines()[-1]
            except GitFailed:
                continue
        return None

    def refs(self, prefix: str = "refs/") -> dict[str, str]:
        lines = self.text("for-each-ref", "--format=%(refname) %(objectname)", prefix).splitlines()
        return {name: sha for name, _, sha in (line.partition(" ") for line in lines)}

    def branch(self, name: str) -> str | None:
        return self.refs(f"refs/heads/{name}").get(f"refs/heads/{name}")

    def update(self, changes: Mapping[str, tuple[str, str | None]]) -> None:
        """Update all refs or none. Raises Moved.

        Each ref maps to its new id (zeros delete it) and its expected id (zeros: the ref must not
        exist; None: any).
        """
        lines = [
            f"update {name}\0{new}\0{'' if old is None else old}\0"
            for name, (new, old) in changes.items()
        ]
        try:
            self.run("update-ref", "-z", "--stdin", stdin="".join(lines).encode())
        except GitFailed as failure:
            raise Moved(str(failure)) from failure

    def reaches(self, tip: str, commit: str) -> bool:
        return self.says_yes("merge-base", "--is-ancestor", commit, tip)

    def merge_base(self, one: str, other: str) -> str | None:
        try:
            return self.text("merge-base", one, other)
        except GitFailed:
            return None

    def count(self, since: str, tip: str) -> int:
        return int(self.text("rev-list", "--count", f"{since}..{tip}"))

    def commits(self, *revisions: str, limit: int = 250) -> list[str]:
        """Return the ids of commits, newest first."""
        return self.text("rev-list", f"--max-count={limit}", *revisions, "--").splitlines()

    def merged_tree(self, ours: str, theirs: str) -> str | None:
        """Return the tree of the merge, or None if there are conflicts."""
        try:
            return self.text("merge-tree", "--write-tree", ours, theirs)
        except GitFailed:
            return None

    def commit(
        self, tree: str, *, parents: list[str], message: str, author: Person, committer: Person
    ) -> str:
        names = {
            "GIT_AUTHOR_NAME": author.name,
            "GIT_AUTHOR_EMAIL": author.email,
            "GIT_AUTHOR_DATE": author.date,
            "GIT_COMMITTER_NAME": committer.name,
            "GIT_COMMITTER_EMAIL": committer.email,
            "GIT_COMMITTER_DATE": committer.date,
        }
        linked = [part for parent in parents for part in ("-p", parent)]
        return self.text("commit-tree", tree, *linked, stdin=message.encode(), more=names)

    def read_commit(self, sha: str) -> Commit:
        form = "%H%x00%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B"
        text = self.text("log", "-1", f"--format={form}", "--end-of-options", sha)
        commit, tree, parents, *people, message = text.split("\0")
        return Commit(
            sha=commit,
            tree=tree,
            parents=tuple(parents.split()),
            author=Person(name=people[0], email=people[1], date=people[2]),
            committer=Person(name=people[3], email=people[4], date=people[5]),
            message=message.rstrip("\n"),
        )

    def tree(self, tree: str, *, path: str = "", recursive: bool = False) -> list[Entry]:
        options = ["-r", "-t"] if recursive else []
        shown = self.text("ls-tree", "-z", "--long", *options, f"{tree}:{path}" if path else tree)
        return [read_entry(line) for line in shown.split("\0") if line]

    def entry(self, tree: str, path: str) -> Entry | None:
        shown = self.text("ls-tree", "-z", "--long", tree, "--", path)
        return read_entry(shown.rstrip("\0")) if shown else None

    def blob(self, sha: str) -> bytes:
        return self.run("cat-file", "blob", sha)

    def write_blob(self, content: bytes) -> str:
        return self.text("hash-object", "-w", "--stdin", stdin=content)

    def edited_tree(self, tree: str | None, changes: list[tuple[str, str, str | None]]) -> str:
        """Return the tree after changes of (path, mode, id); an id of None removes the path."""
        index = {"GIT_INDEX_FILE": str(self.folder / "double.index")}
        self.text("read-tree", tree or "--empty", more=index)
        lines = [
            f"{mode} {sha}\t{path}\0" if sha else f"0 {ZERO}\t{path}\0"
            for path, mode, sha in changes
        ]
        stdin = "".join(lines).encode()
        self.text("update-index", "-z", "--add", "--index-info", stdin=stdin, more=index)
        return self.text("write-tree", more=index)

    def changes(self, base: str, head: str) -> list[FileChange]:
        raw = self.text("diff", "--raw", "--no-abbrev", "--no-renames", "-z", base, head)
        numbers = self.text("diff", "--numstat", "--no-renames", "-z", base, head)
        counts = {}
        for line in filter(None, numbers.split("\0")):
            added, removed, path = line.split("\t")
            counts[path] = [int(n) if n.isdigit() else 0 for n in (added, removed)]
        fields = [part for part in raw.split("\0") if part]
        return [
            FileChange(
                path=path,
                status=STATUSES[meta.split()[4]],
                additions=counts[path][0],
                deletions=counts[path][1],
                sha=meta.split()[2] if meta.split()[4] == "D" else meta.split()[3],
            )
            for meta, path in zip(fields[::2], fields[1::2], strict=True)
        ]

    def changed_workflow(self, new: str) -> str | None:
        """Return a workflow file that commits change which no branch has yet, or None."""
        known = [f"^{sha}" for sha in set(self.refs("refs/heads/").values())]
        log = ["log", "--format=", "--name-only", "-c"]  # of merges: what differs from each parent
        changed = self.text(*log, new, *known, "--", WORKFLOWS).splitlines()
        return changed[0] if changed else None

    def foreign_workflow(self, new: str, branches: list[str]) -> str | None:
        """Return a workflow file of the commit that none of the branches holds so, or None."""
        known = {one for tip in branches for one in self._workflows(tip)}
        foreign = self._workflows(new) - known
        return min((path for path, _ in foreign), default=None)

    def _workflows(self, commit: str) -> set[tuple[str, str]]:
        lines = self.text("ls-tree", "-r", commit, "--", WORKFLOWS).splitlines()
        entries = (line.partition("\t") for line in lines)
        return {(path, meta.split()[2]) for meta, _, path in entries}


def quarantine(folder: Path, arriving: Path) -> dict[str, str]:
    known = {"GIT_ALTERNATE_OBJECT_DIRECTORIES": str(folder / "objects")}
    return known | {"GIT_OBJECT_DIRECTORY": str(arriving)}


def read_entry(line: str) -> Entry:
    meta, _, path = line.partition("\t")
    mode, kind, sha, size = meta.split()
    return Entry(
        mode=mode, kind=kind, sha=sha, size=int(size) if size.isdigit() else None, path=path
    )


def person(user: User, *, when: datetime) -> Person:
    return Person(
        name=user.name or user.login, email=user.email, date=when.strftime("%Y-%m-%dT%H:%M:%S+0000")
    )
