"""Keeps commits, stashes and staged files that an agent left outside its change.

They go into a bundle beside the run, which git can fetch from.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from concertmaster.errors import GitFault
from concertmaster.git.alternates import add_alternates
from concertmaster.git.command import Git, decode, git_fault, parse_object_id, split_records
from concertmaster.git.run_repository import RunRepository
from concertmaster.sandbox.users import Account
from concertmaster.worktrees.agent_index import (
    AgentIndex,
    copy_shared_indexes,
    read_agent_index,
)
from concertmaster.worktrees.git_folder import GitFolder
from concertmaster.worktrees.removal import walk_folders
from concertmaster.worktrees.staging import Staging
from concertmaster.worktrees.strays import keep_copies

_FILES = ("100644", "100755", "120000")
_KINDS = ("commit", "tag")
_MODES = {"blob": "100644", "tree": "040000"}
_NO_SHORTCUTS = "[core]\n\tcommitGraph = false\n\tmultiPackIndex = false\n"  # an agent wrote them


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftRepository:
    """A repository that an agent could write to.

    `files` is its worktree; `is_apart` says that the files are not part of the change. `known` are
    commits whose history is kept elsewhere. `needed` are those of them that whoever fetches from
    the bundle has. `alternates` is the list of other folders that it must have. `has_index` says
    that files may be staged that are not in the worktree.
    """

    folder: GitFolder
    files: Path
    is_apart: bool = False
    known: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    account: Account | None = None
    alternates: bytes = b""
    has_index: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """The way to keep work of one attempt in the folder `keeping`.

    `user` is the user's repository; what it has is kept.
    """

    objects: RunRepository
    user: RunRepository
    keeping: Path
    name: str

    def keep(self, left: LeftRepository) -> str:
        """Keep what is in no file of the change, and return its place.

        Returns "" if there is nothing. A repository that git cannot read is copied as it is. Raises
        GitFault when that is not possible.
        """
        walk_folders(left.folder.path)  # makes them accessible
        if left.folder.is_empty() and left.folder.alternates() == left.alternates:
            return ""
        if left.folder.is_plain(left.alternates):
            with suppress(GitFault), self._open(left) as opened:
                return self._bundle(left, opened)
        return self._copy(left)

    def holds(self, left: LeftRepository, commit: str) -> bool:
        """Return whether the commit is in the history of the known ones."""
        if not left.folder.is_plain(left.alternates):
            return False
        with suppress(GitFault), self._open(left) as opened:
            return not opened.newest([commit], opened.existing(left.known))
        return False

    def read_index(self, left: LeftRepository, tree: str) -> AgentIndex | None:
        """Return how the repository's index differs from the tree, None if git cannot read it."""
        if not left.folder.is_plain(left.alternates):
            return None
        with suppress(GitFault), self._open(left) as opened:
            return opened.read_index(left, tree)
        return None

    @contextmanager
    def _open(self, left: LeftRepository) -> Iterator[_Opened]:
        """Yield a repository of ours that has the objects of the agent's."""
        draft = Path(tempfile.mkdtemp(prefix="left-", dir=self.objects.path))
        try:
            _furnish(draft, left, self.objects)
            repository = RunRepository(draft)
            # With a worktree it has a limit of time.
            repository.git = Git(draft, git_dir=draft, work_tree=draft, private=True)
            yield _Opened(repository=repository, user=self.user)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _bundle(self, left: LeftRepository, opened: _Opened) -> str:
        """Write the bundle and return its place, "" if everything is in the change."""
        ids = left.folder.object_ids()
        own = (opened.save_files(left), opened.save_index(left), opened.save_objects(ids))
        tips = opened.existing([*ids, *filter(None, own)])
        if any(map(left.folder.has_file_of, {*ids} - {*opened.all_existing(ids)})):
            raise GitFault(f"objects in {left.folder.path} cannot be read")
        known = opened.existing(left.known)
        newest = opened.newest(tips, known)
        if not newest or not opened.has_new_files(newest, known):
            return ""
        digest = hashlib.sha256("\n".join(sorted(newest)).encode()).hexdigest()[:8]
        place = self.keeping / f"{self.name}-{digest}.bundle"
        if not place.exists():
            opened.write_bundle(place, newest, opened.existing(left.needed))
        return str(place)

    def _copy(self, left: LeftRepository) -> str:
        """Copy the repository and return the place of the copy."""
        name, top = f"{self.name}-git", left.folder.path
        files = [str(entry.relative_to(top)) for entry in walk_folders(top) if not entry.is_dir()]
        user = left.account.uid if left.account else 0
        kept = keep_copies(files, top, self.keeping, name=name, user=user)
        if left.is_apart:
            below = [entry for entry in walk_folders(left.files) if not entry.is_dir()]
            paths = [str(entry.relative_to(left.files)) for entry in below]
            kept |= keep_copies(paths, left.files, self.keeping, name=f"{name}/files", user=user)
        return str(self.keeping / name) if kept else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """A repository of ours on top of an agent's objects and those of the run."""

    repository: RunRepository
    user: RunRepository

    def all_existing(self, ids: Sequence[str]) -> frozenset[str]:
        """Return the ids of objects that are there and can be read."""
        return frozenset(_kinds_of(self.repository, ids))

    def existing(self, ids: Sequence[str]) -> list[str]:
        """Return the ids of commits and tags that are there."""
        kinds = _kinds_of(self.repository, ids)
        return [one for one in dict.fromkeys(ids) if kinds.get(one) in _KINDS]

    def newest(self, tips: Sequence[str], known: Sequence[str]) -> list[str]:
        """Return the commits that the known ones do not reach and that no other one builds on."""
        if not tips:
            return []
        listed = self._list("--parents", tips=tips, known=known)
        lines = [line.split(" ") for line in listed]
        built_on = {parent for line in lines for parent in line[1:]}
        return [line[0] for line in lines if line[0] not in built_on]

    def has_new_files(self, tips: Sequence[str], known: Sequence[str]) -> bool:
        """Return whether the history of the tips has contents that are nowhere else."""
        listed = self._list("--objects", "--no-object-names", tips=tips, known=known)
        here = _kinds_of(self.user, listed)
        kinds = _kinds_of(self.repository, [one for one in listed if one not in here])
        return "blob" in kinds.values()

    def _list(self, *options: str, tips: Sequence[str], known: Sequence[str]) -> list[str]:
        # Git leaves out the files of a known commit only where a listed one builds on it.
        without = [f"^{commit}\n^{commit}^{{tree}}\n" for commit in known]
        asked = "".join([f"{tip}\n" for tip in tips] + without)
        answer = self.repository.git.ask("rev-list", *options, "--stdin", stdin=asked.encode())
        if answer.code != 0:
            raise git_fault("rev-list", answer)
        return decode(answer.out).split("\n")[:-1]

    def write_bundle(self, place: Path, tips: Sequence[str], needed: Sequence[str]) -> None:
        """Write the tips and their history, without that of the needed commits."""
        lines = "".join(
            f"create refs/left/{number} {tip}\n" for number, tip in enumerate(tips, start=1)
        )
        self.repository.git.run("update-ref", "--stdin", stdin=lines.encode())
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = place.with_name(f"{place.name}.new")
        without = [f"^{commit}" for commit in needed]
        self.repository.git.run("bundle", "create", "--quiet", str(draft), "--all", *without)
        draft.replace(place)

    def save_objects(self, ids: Sequence[str]) -> str:
        """Return a commit of the files and folders that references name, "" without any."""
        kinds = _kinds_of(self.repository, [f"{one}^{{}}" for one in ids])
        lines = [
            f"{_MODES[kind]} {kind} {one}\t{one}\n" for one, kind in kinds.items() if kind in _MODES
        ]
        if not lines:
            return ""
        tree = self.repository.git.run("mktree", stdin="".join(lines).encode())
        return self._commit(tree, message="Objects that references name")

    def read_index(self, left: LeftRepository, tree: str) -> AgentIndex | None:
        """Return how the repository's index differs from the tree, None if git cannot read it."""
        (self.repository.path / "read").write_bytes(left.folder.index())
        return read_agent_index(self._with("read"), tree)

    def save_index(self, left: LeftRepository) -> str:
        """Return a commit of the staged files that are not in the worktree, "" without any."""
        data = left.folder.index() if left.has_index else b""
        if not data:
            return ""
        (self.repository.path / "staged").write_bytes(data)
        listed = split_records(self._with("staged").run("ls-files", "-z", "--stage"))
        entries = [entry for entry in map(_read_entry, listed) if entry.is_gone(left.files)]
        here = _kinds_of(self.user, [entry.blob for entry in entries])
        new = "".join(entry.line() for entry in entries if entry.blob not in here)
        if not new:
            return ""
        git = self._with("staged-new")
        lines = new.encode("utf-8", "surrogateescape")
        git.run("update-index", "--add", "-z", "--index-info", stdin=lines)
        return self._commit(git.run("write-tree"), message="Staged files")

    def save_files(self, left: LeftRepository) -> str:
        """Return a commit with the files of its worktree, "" if they are those of its commit."""
        head = left.folder.head()
        if not left.is_apart or not head:
            return ""
        index = self.repository.path / "files"
        index.write_bytes(left.folder.index())
        git = Git(
            left.files, git_dir=self.repository.path, work_tree=left.files, index=index,
            private=True,
        )  # fmt: skip
        staging = Staging(
            git, repository=self.repository.path, files=left.files, index=index,
            account=left.account,
        )  # fmt: skip
        tree = staging.write_tree(parse_object_id(head)).tree
        is_same = tree == self.repository.tree(head)
        return "" if is_same else self._commit(tree, head, message="Files")

    def _commit(self, tree: str, *parents: str, message: str) -> str:
        return self.repository.commit(tree, parents=parents, message=message, at=0)

    def _with(self, index: str) -> Git:
        here = self.repository.path
        return Git(here, git_dir=here, work_tree=here, index=here / index, private=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """An entry of an index."""

    mode: str
    blob: str
    stage: str
    path: str

    def is_gone(self, files: Path) -> bool:
        """Return whether it is a file that is not in the worktree."""
        return self.mode in _FILES and not os.path.lexists(files / self.path)

    def line(self) -> str:
        """Return it for an index that has a folder for each stage."""
        return f"{self.mode} {self.blob}\t{self.stage}/{self.path}\0"


def _read_entry(record: str) -> _Entry:
    facts, _, path = record.partition("\t")
    mode, blob, stage = facts.split(" ")
    return _Entry(mode=mode, blob=blob, stage=stage, path=path)


def _furnish(draft: Path, left: LeftRepository, objects: RunRepository) -> None:
    name = "sha256" if len(objects.git.run("hash-object", "--stdin")) > 40 else "sha1"
    options = ("--quiet", "--bare", "--template=", f"--object-format={name}")
    Git(draft, private=True).run("init", *options)
    add_alternates(draft, left.folder.objects, objects.path / "objects")
    own = left.folder.path / "shallow"
    copy_shared_indexes(left.folder.path, draft)
    shallow = own if own.is_file() and not own.is_symlink() else objects.path / "shallow"
    if shallow.is_file():
        shutil.copyfile(shallow, draft / "shallow")
    with (draft / "config").open("a", encoding="utf-8") as config:
        config.write(_NO_SHORTCUTS)


def _kinds_of(repository: RunRepository, ids: Sequence[str]) -> dict[str, str]:
    """Return the kinds of the objects that are there, by id."""
    if not ids:
        return {}
    asked = "".join(f"{one}\n" for one in ids).encode()
    form = "--batch-check=%(objectname) %(objecttype)"
    lines = decode(repository.git.ask("cat-file", form, stdin=asked).out).split("\n")
    pairs = (line.partition(" ") for line in lines if line)
    return {one: kind for one, _, kind in pairs if kind != "missing"}
