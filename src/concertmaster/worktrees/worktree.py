"""Holds the folder, the repository and the worktree of one attempt, and trusts none of them.

Snapshots are taken with the run's repository and an index of ours, so that git never runs what an
agent configured in its own repository.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from concertmaster.errors import GitFault
from concertmaster.git.command import ABSENT, Git, parse_object_id
from concertmaster.git.remotes import follow_remote
from concertmaster.git.run_repository import RunRepository
from concertmaster.git.tree_overlay import apply_change
from concertmaster.sandbox.users import Account, give_ownership
from concertmaster.worktrees.closing import close_folders
from concertmaster.worktrees.file_listing import FileListing
from concertmaster.worktrees.git_folder import GitFolder, write_reference
from concertmaster.worktrees.hidden_work import HiddenWork
from concertmaster.worktrees.ignored_files import IgnoredFiles
from concertmaster.worktrees.left_commits import Keeper
from concertmaster.worktrees.owner import (
    AttemptOwner,
    index_file,
    remove_attempt,
    remove_index,
    share_folder,
    start_file,
)
from concertmaster.worktrees.phase_start import PhaseStart
from concertmaster.worktrees.removal import (
    allow_entry,
    is_folder,
    remove_folder,
    remove_special,
    walk_folders,
)
from concertmaster.worktrees.staging import Staging
from concertmaster.worktrees.strays import keep_copies, put_aside, undo_strays_above

_MIXED = "was changed by setup as well, and both changes are part of this one"
_BRANCH = re.compile(r"\w[\w-]*([./]\w[\w-]*)*")  # also a path below the attempt's refs


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The files of a worktree as a commit.

    Each note names a path that the commit does not hold as it was on disk.
    """

    commit: str
    tree: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunParts:
    """What the attempts of a run share.

    `template` is the empty repository that each of them copies. `remote` is the name that the
    target follows, or "". `base` is a commit that the user has, or "".
    """

    repository: RunRepository
    user: RunRepository
    template: Path
    remote: str = ""
    base: str = ""


class Worktree:
    """The folder of one attempt: `files` is the worktree, the rest lies beside it."""

    def __init__(self, folder: Path, owner: AttemptOwner, parts: RunParts) -> None:
        self.folder = folder
        self.owner = owner
        self._places = owner.places(folder)
        self.files = self._places.files
        self.temporary = self._places.temporary
        self.home = self._places.home
        self.account = Account(uid=owner.uid) if owner.uid else None
        self._repository = repository = parts.repository
        self._template = parts.template
        self._remote = parts.remote if owner.target else ""
        self._keeping = repository.path.with_name("strays")
        # Outside the folder: an agent must not reach the index that our git reads and writes.
        self._index = index_file(repository.path, folder.name)
        self._git = Git(
            folder,
            git_dir=repository.path,
            work_tree=self.files,
            index=self._index,
            private=True,
        )
        self._start = PhaseStart(file=start_file(repository.path, folder.name))
        self._staging = Staging(
            self._git,
            repository=repository.path,
            files=self.files,
            index=self._index,
            account=self.account,
        )
        self._ignored = IgnoredFiles(files=self.files, record=self._beside_index("ignored"))
        self._hidden = self._look_into(parts)

    def _beside_index(self, ending: str) -> Path:
        return self._index.with_name(f"{self.folder.name}.{ending}")

    def _look_into(self, parts: RunParts) -> HiddenWork:
        objects, name = parts.repository, self.folder.name
        keeper = Keeper(objects=objects, user=parts.user, keeping=self._keeping, name=name)
        return HiddenWork(
            keeper=keeper,
            objects=objects,
            files=self.files,
            git_dir=self._places.git,
            alternates=GitFolder(path=parts.template).alternates(),
            base=parts.base,
            account=self.account,
            given=self._beside_index("given"),
        )

    def check_out(self, commit: str) -> None:
        """Write the files of the commit and make the attempt's own repository.

        Raises GitFault when the branch or the commit is not usable.
        """
        if not _BRANCH.fullmatch(self.owner.branch):
            raise GitFault(f"not a name for a branch: {self.owner.branch!r}")
        self._index.parent.mkdir(exist_ok=True)
        remove_index(self._repository.path, self.folder.name)  # of a folder that is gone
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
            for folder in (self.temporary, self.home, self._places.git):
                give_ownership(folder, self.account.uid)
            os.chown(self.files / ".git", self.account.uid, self.account.uid)

    def _renew_repository(self, commit: str) -> None:
        git_dir = self._places.git
        remove_folder(git_dir)
        remove_folder(self.files / ".git")
        shutil.copytree(self._template, git_dir, symlinks=True)
        ref = f"refs/heads/{self.owner.branch}"
        write_reference(git_dir / ref, commit)
        if self.owner.target:
            write_reference(git_dir / "refs/heads" / self.owner.target, self.owner.base)
        (git_dir / "HEAD").write_text(f"ref: {ref}\n", encoding="utf-8")
        shutil.copyfile(self._index, git_dir / "index")
        if self._tree_at_start(commit) != self._repository.tree(commit):
            self._compare_with(commit, git_dir / "index")
        self._hidden.remember_index()
        (self.files / ".git").write_text(f"gitdir: {git_dir}\n", encoding="utf-8")
        if self._remote:
            config = follow_remote(self.owner.branch, self._remote, target=self.owner.target)
            with (git_dir / "config").open("a", encoding="utf-8") as file:
                file.write(config)

    def compare_with(self, base: str) -> None:
        """Let the target stand at another commit. Call it before anything runs in the worktree."""
        self.owner = replace(self.owner, base=base)
        if self.owner.target:
            place = self._places.git / "refs/heads" / self.owner.target
            write_reference(place, base)
            if self.account is not None:
                os.chown(place, self.account.uid, self.account.uid)

    def _compare_with(self, commit: str, index: Path) -> None:
        """Let the attempt's index hold the commit, though the files are not all of it."""
        git = Git(
            self.folder,
            git_dir=self._repository.path,
            work_tree=self.files,
            index=index,
            private=True,
        )
        git.run("read-tree", parse_object_id(commit))
        git.ask("update-index", "-q", "--refresh")

    def begin(self, checkpoint: str) -> None:
        """Record the files as they are: what differs later is the change on the checkpoint.

        What setup and checks left is then not part of it.
        """
        self._check_place()
        self._start.write(checkpoint, self._staging.start(checkpoint))
        self._ignored.remember(self._staging.list_ignored())

    def snapshot(self, *, parent: str, message: str, at: int) -> Snapshot:
        """Commit what has changed since `begin` to the run's repository, on the commit `parent`.

        Without `begin` it is all that differs from the parent. Ignored files are left out unless
        the agent has added them to its index. What the commit does not hold is kept beside the run,
        and a note tells where. `at` is epoch seconds. Raises GitFault when the worktree was removed
        or replaced.
        """
        self._check_place()
        before = self._tree_at_start(parent)
        staged = self._staging.write_tree(parent, look=partial(self._hidden.look_at_index, before))
        tree, hidden = self._hidden.submodules(staged.tree, before)
        onto = self._repository.tree(parent)
        made = apply_change(self._repository, onto, before=before, after=tree)
        commit = self._repository.commit(made.tree, parents=(parent,), message=message, at=at)
        name = f"{self.folder.name}-refused"
        kept = keep_copies(staged.refused, self.files, self._keeping, name=name)
        notes = (
            *staged.notes,
            *hidden,
            *(f"{path} {_MIXED}" for path in made.mixed),
            *(f"{path} is kept as {copy}" for path, copy in kept.items()),
            *self._hidden.own_commits(commit),
            *self._hidden.inner_repositories(commit, before, staged),
            *self._keep_ignored(),
        )
        return Snapshot(commit=commit, tree=made.tree, notes=notes)

    def _keep_ignored(self) -> Iterator[str]:
        name = f"{self.folder.name}-ignored"
        listed = self._staging.list_ignored()
        yield from self._ignored.keep_written(listed, self._keeping, name=name, user=self.owner.uid)

    def changed_by_setup(self, commit: str) -> tuple[str, ...]:
        """Return the files of the commit that differed from it at `begin`."""
        before = self._tree_at_start(commit)
        changes = self._repository.changes(self._repository.tree(commit), before)
        return tuple(change.path for change in changes if change.old_mode != ABSENT)

    def _tree_at_start(self, checkpoint: str) -> str:
        """Return the tree of the files when the phase that follows the checkpoint began.

        A process may have died before `begin`: then it is what the phase before has made.
        """
        here, found = self._repository.tree(checkpoint), self._start.read()
        if found is None:
            return here
        earlier, tree = found
        if earlier == checkpoint:
            return tree
        before = self._repository.tree(earlier)
        return apply_change(self._repository, tree, before=before, after=here).tree

    def close_to_others(self) -> None:
        """Close the attempt's folders to other users, when its processes have ended."""
        places = (self.files, self._places.git, self.home, self.temporary)
        for place in places if self.account else ():
            close_folders(place, self.owner.uid)

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
        """Set the files back to what they were when the phase after the commit began.

        With `with_ignored` they are those of the commit alone, and ignored files are removed.
        """
        self.undo_strays()
        self.make_places()
        self._check_place()
        for entry in walk_folders(self.files):
            remove_special(entry)
        remove_folder(self.files / ".git")
        self._index.unlink(missing_ok=True)
        tree = self._repository.tree(commit) if with_ignored else self._tree_at_start(commit)
        self._git.run("read-tree", "--reset", "-u", parse_object_id(tree))
        self._git.run("clean", "-ffdqx" if with_ignored else "-ffdq")
        self._settle(commit)

    def make_places(self) -> None:
        """Make the folders of the attempt that are missing, for example after a restart."""
        if not is_folder(self.temporary):
            remove_folder(self.temporary)
        if self.owner.temporary and not is_folder(self.temporary.parent):
            self.temporary.parent.mkdir(mode=0o700)
            share_folder(self.temporary.parent, self.owner.uid)
        for folder in (self.files, self.temporary, self.home):
            folder.mkdir(exist_ok=True, parents=True)

    def undo_strays(self) -> tuple[str, ...]:
        """Move everything outside the worktree that is not ours to the run's strays.

        Returns the moved paths, relative to the attempt's folder.
        """
        entries = [*self.folder.iterdir()]
        if self.files.parent != self.folder and is_folder(self.files.parent):
            entries += [entry for entry in self.files.parent.iterdir() if entry != self.files]
        strays = sorted(filter(self._is_stray, entries))
        for stray in strays:
            put_aside(stray, self._keeping, name=self.folder.name)
        above = undo_strays_above(self.folder.parent, self._repository)
        return tuple(str(stray.relative_to(self.folder)) for stray in strays) + above

    def _is_stray(self, entry: Path) -> bool:
        ours = (self.files, self.files.parent, self.temporary, self.home)
        replaced = entry in ours and not is_folder(entry)
        return replaced or entry.parent != self.folder or entry.name not in self._places.known

    def remove(self) -> None:
        """Remove all of the attempt. Safe to repeat."""
        remove_attempt(self.folder, self.owner.run)
        remove_index(self._repository.path, self.folder.name)
