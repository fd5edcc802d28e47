"""Holds the folder, the repository and the worktree of one attempt, and trusts none of them.

Snapshots are taken with the run's repository and an index of ours, so that git never runs what an
agent configured in its own repository.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from concertmaster.errors import GitFault
from concertmaster.git.command import Git, GitAnswer, git_fault, parse_object_id, split_records
from concertmaster.git.run_repository import RunRepository
from concertmaster.sandbox.users import Account, give_ownership
from concertmaster.worktrees.file_listing import FileListing
from concertmaster.worktrees.owner import (
    GIT_FOLDER,
    HOME_FOLDER,
    KNOWN_NAMES,
    TEMPORARY_FOLDER,
    TREE_FOLDER,
    AttemptOwner,
    remove_attempt,
)
from concertmaster.worktrees.removal import (
    allow_entry,
    is_folder,
    remove_folder,
    remove_special,
    walk_folders,
)
from concertmaster.worktrees.strays import put_aside, undo_strays_above

_BRANCH = re.compile(r"\w[\w-]*([./]\w[\w-]*)*")  # also a path below the attempt's refs


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The files of a worktree as a commit.

    Each note names a path that is not in the commit as it was on disk, and says why.
    """

    commit: str
    tree: str
    notes: tuple[str, ...] = ()


class Worktree:
    """The folder of one attempt: `tree/` is the worktree, the rest lies beside it."""

    def __init__(
        self,
        folder: Path,
        owner: AttemptOwner,
        *,
        repository: RunRepository,
        template: Path,
    ) -> None:
        self.folder = folder
        self.owner = owner
        self.files = folder / TREE_FOLDER
        self.temporary = folder / TEMPORARY_FOLDER
        self.home = folder / HOME_FOLDER
        self.account = Account(uid=owner.uid) if owner.uid else None
        self._repository = repository
        self._template = template
        self._keeping = repository.path.with_name("strays")
        # Outside the folder: an agent must not reach the index that our git reads and writes.
        self._index = repository.path.with_name("indexes") / folder.name
        self._git = Git(
            folder,
            git_dir=repository.path,
            work_tree=self.files,
            index=self._index,
            private=True,
        )

    def check_out(self, commit: str) -> None:
        """Write the files of the commit and make the attempt's own repository.

        Raises GitFault when the branch or the commit is not usable.
        """
        if not _BRANCH.fullmatch(self.owner.branch):
            raise GitFault(f"not a name for a branch: {self.owner.branch!r}")
        self._index.parent.mkdir(exist_ok=True)
        self._git.run("read-tree", "--reset", "-u", parse_object_id(commit))
        self._settle(commit)

    def _settle(self, commit: str) -> None:
        """Make the attempt's repository and give all to the attempt's user.

        The files are already those of the commit.
        """
        if self.account is not None:
            give_ownership(self.files, self.account.uid)
            # The index records owners: without a refresh, each `ls-files` would read all files.
            self._git.ask("update-index", "-q", "--refresh")
        self._renew_repository(commit)
        if self.account is not None:
            for folder in (self.temporary, self.home, self.folder / GIT_FOLDER):
                give_ownership(folder, self.account.uid)
            os.chown(self.files / ".git", self.account.uid, self.account.uid)

    def _renew_repository(self, commit: str) -> None:
        git_dir = self.folder / GIT_FOLDER
        remove_folder(git_dir)
        remove_folder(self.files / ".git")
        shutil.copytree(self._template, git_dir, symlinks=True)
        ref = f"refs/heads/{self.owner.branch}"
        (git_dir / ref).parent.mkdir(parents=True, exist_ok=True)
        (git_dir / ref).write_text(f"{commit}\n", encoding="ascii")
        (git_dir / "HEAD").write_text(f"ref: {ref}\n", encoding="utf-8")
        shutil.copyfile(self._index, git_dir / "index")
        (self.files / ".git").write_text(f"gitdir: {git_dir}\n", encoding="utf-8")

    def snapshot(self, *, parent: str, message: str, at: int) -> Snapshot:
        """Commit all files but the ignored ones to the run's repository.

        `at` is epoch seconds. Raises GitFault when the worktree was removed or replaced.
        """
        self._check_place()
        notes = self._stage(parent)
        tree = self._git.run("write-tree")
        commit = self._repository.commit(tree, parents=(parent,), message=message, at=at)
        return Snapshot(commit=commit, tree=tree, notes=notes)

    def forget_index(self) -> None:
        """Remove our index after a crash: a half-written one would show files as deleted."""
        self._index.unlink(missing_ok=True)

    def _check_place(self) -> None:
        """Remove the lock of a git that was killed.

        Raises GitFault when the worktree is not a folder: a link would lead elsewhere.
        """
        if not is_folder(self.files):
            what = "the worktree was removed or replaced by a process of the attempt"
            raise GitFault(what, why=str(self.files))
        allow_entry(self.files)
        self._index.with_name(f"{self._index.name}.lock").unlink(missing_ok=True)

    def _stage(self, parent: str) -> tuple[str, ...]:
        """Update our index from the files and return notes on what is left out.

        `git add` is not used: it runs `git status` in embedded repositories, and with it the
        programs that their configuration names.
        """
        found = self._list_changes() if self._index.exists() else None
        if found is None or found.code != 0:
            self._index.unlink(missing_ok=True)
            self._git.run("read-tree", parse_object_id(parent))
            found = self._list_changes()
        if "Permission denied" in found.err:
            walk_folders(self.files)
            found = self._list_changes()
        if found.code != 0:
            raise git_fault("ls-files", found)
        paths = list(dict.fromkeys(split_records(found.out)))
        notes = [
            f"{path} is a repository of its own; its files are not part of the change"
            for path in paths
            if path.endswith("/")
        ]
        foreign = {path for path in paths if self._is_foreign(self.files / path)}
        notes += [f"{path} is left out: it is another user's" for path in sorted(foreign)]
        own = [path.removesuffix("/") for path in paths if path not in foreign]
        return (*notes, *self._update(own))

    def _is_foreign(self, place: Path) -> bool:
        """Return whether the path is a hard link to a file of another user.

        We could read that file even if the attempt's user cannot.
        """
        try:
            owner = place.lstat().st_uid
        except OSError:
            return False  # deleted
        if self.account is None or owner == self.account.uid:
            return False
        return place.parent.resolve().is_relative_to(self.files.resolve())

    def _list_changes(self) -> GitAnswer:
        options = ("--others", "--modified", "--deleted", "--exclude-standard")
        return self._git.ask("ls-files", "-z", *options)

    def _update(self, paths: Sequence[str]) -> list[str]:
        """Stage the paths and return notes on those left out.

        One path that git refuses makes it refuse all, so the paths are halved until it is alone.
        """
        if not paths:
            return []
        answer = self._update_index(paths)
        if answer.code == 0:
            ignored = (line.removeprefix("Ignoring path ") for line in _ignored(answer))
            return [f"{path} is no name that git takes" for path in ignored]
        if len(paths) == 1:
            return self._update_stubborn(paths[0])
        middle = len(paths) // 2
        return self._update(paths[:middle]) + self._update(paths[middle:])

    def _update_stubborn(self, path: str) -> list[str]:
        """Stage a path after making it readable, or leave it out and return a note."""
        for place in (*reversed((self.files / path).parents), self.files / path):
            if place.is_relative_to(self.files):
                allow_entry(place)
        answer = self._update_index([path])
        if answer.code == 0:
            return []
        self._git.run("update-index", "-z", "--force-remove", "--stdin", stdin=_lines([path]))
        if is_folder(self.files / path) or "beyond a symbolic link" in answer.err:
            return []  # no longer a file; its replacement is listed on its own
        reason = answer.err.partition("\n")[0].removeprefix("error: ")
        return [f"{path} is left out: {reason}"]

    def _update_index(self, paths: Sequence[str]) -> GitAnswer:
        options = ("--add", "--remove", "--replace", "-z", "--stdin")
        return self._git.ask("update-index", *options, stdin=_lines(paths))

    def list_contents(self) -> FileListing:
        """Return everything in the worktree, ignored files included."""
        return FileListing.see(self.files)

    def remove_new(self, before: FileListing) -> bool:
        """Remove what is not in `before` and return True.

        Returns False, and removes nothing, when something is gone or changed: only `restore` helps
        then.
        """
        now = FileListing.see(self.files) if is_folder(self.files) else None
        if now is None or not now.holds(before):
            return False
        for path in now.added_to(before):
            remove_folder(self.files / path)
        return True

    def restore(self, commit: str, *, with_ignored: bool = False) -> None:
        """Set the files back to the commit; `with_ignored` removes ignored files as well."""
        self.undo_strays()
        for folder in (self.files, self.temporary, self.home):
            folder.mkdir(exist_ok=True)
        self._check_place()
        for entry in walk_folders(self.files):
            remove_special(entry)
        remove_folder(self.files / ".git")
        self._index.unlink(missing_ok=True)
        self._git.run("read-tree", "--reset", "-u", parse_object_id(commit))
        self._git.run("clean", "-ffdqx" if with_ignored else "-ffdq")
        self._settle(commit)

    def undo_strays(self) -> tuple[str, ...]:
        """Move everything outside the worktree that is not ours to the run's strays.

        Returns the moved paths, relative to the attempt's folder.
        """
        strays = sorted(entry for entry in self.folder.iterdir() if self._is_stray(entry))
        for stray in strays:
            put_aside(stray, self._keeping, name=self.folder.name)
        above = undo_strays_above(self.folder.parent, self._repository)
        return tuple(stray.name for stray in strays) + above

    def _is_stray(self, entry: Path) -> bool:
        replaced = entry in (self.files, self.temporary, self.home) and not is_folder(entry)
        return replaced or entry.name not in KNOWN_NAMES

    def remove(self) -> None:
        """Remove all of the attempt. Safe to repeat."""
        remove_attempt(self.folder, self.owner.run)
        remove_folder(self._index)


def _lines(paths: Sequence[str]) -> bytes:
    return b"".join(os.fsencode(path) + b"\0" for path in paths)


def _ignored(answer: GitAnswer) -> list[str]:
    return [line for line in answer.err.split("\n") if line.startswith("Ignoring path ")]
