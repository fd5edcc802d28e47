"""Finds work of an agent that its files do not show: in repositories, submodules, ignored files.

Each kind is part of the change, or kept beside the run, and a note tells it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from concertmaster.git.command import ABSENT, Git
from concertmaster.git.run_repository import RunRepository
from concertmaster.git.tree_overlay import write_paths
from concertmaster.model import PathChange
from concertmaster.sandbox.users import Account
from concertmaster.worktrees.agent_index import AgentIndex, read_agent_index
from concertmaster.worktrees.git_folder import GitFolder
from concertmaster.worktrees.left_commits import Keeper, LeftRepository
from concertmaster.worktrees.removal import is_folder, walk_folders
from concertmaster.worktrees.staging import Staged
from concertmaster.worktrees.strays import keep_copies

GITLINK = "160000"
_LONGEST_LINK = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenWork:
    """The look into one attempt.

    `git_dir` is the attempt's own repository, and `alternates` the list of folders that it was made
    with. `base` is a commit that the user has. `given` is the file that keeps the digest of the
    index that the attempt was given.
    """

    objects: RunRepository
    files: Path
    git_dir: Path
    keeper: Keeper
    alternates: bytes
    base: str
    account: Account | None
    given: Path
    gone: set[str] = field(default_factory=set)  # staged files that are not in the worktree

    def own_commits(self, snapshot: str) -> Iterator[str]:
        """Keep what the attempt's own repository has beside its head; yield a note on it.

        `snapshot` is the commit with the files. Files of the head that a sparse checkout hides are
        not in it, so then the head is kept as well.
        """
        head = "" if self.gone else GitFolder(path=self.git_dir).head()
        left = self._own(known=tuple(filter(None, (head, snapshot, self.base))))
        yield from self._keep(left, "other branches, stashes and commits of the attempt")

    def _own(self, *, known: tuple[str, ...]) -> LeftRepository:
        """Return the attempt's own repository."""
        return LeftRepository(
            folder=GitFolder(path=self.git_dir),
            files=self.files,
            known=known,
            needed=(self.base,) if self.base else (),
            alternates=self.alternates,
            has_index=bool(self.gone),
        )

    def inner_repositories(self, snapshot: str, before: str, staged: Staged) -> Iterator[str]:
        """Keep what repositories in the worktree have beside their heads; yield a note on each.

        They are those that were found, and others in a folder that has files. `before` is the tree
        when the phase began.
        """
        places = (place.removesuffix("/") for place in staged.repositories)
        folders = {*self.objects.folders(snapshot if staged.changed is None else before)}
        folders |= _folders_of(staged.changed or ())
        for place in dict.fromkeys(("", *places, *sorted(folders))):
            yield from self._inner_commits(place, snapshot)

    def _inner_commits(self, place: str, snapshot: str) -> Iterator[str]:
        """Keep what a repository in the worktree has beside its head; yield a note on it."""
        folder = GitFolder(path=self.files / place / ".git")
        if is_folder(folder.path):
            known = tuple(filter(None, (folder.head(), snapshot)))
            left = LeftRepository(folder=folder, files=self.files / place, known=known)
            yield from self._keep(left, f"other commits of the repository {place or '.'}")

    def _keep(self, left: LeftRepository, what: str) -> Iterator[str]:
        kept = self.keeper.keep(left)
        if kept:
            yield f"{what} are not part of the change; they are kept as {kept}"

    def submodules(self, tree: str, parent: str) -> tuple[str, tuple[str, ...]]:
        """Keep what lies in the submodules; return the tree without commits nobody can fetch.

        The notes are the second value.
        """
        notes, undone = list[str](), list[PathChange]()
        before = dict(self._gitlinks(parent))
        # Without a submodule there is no new one: the files of a repository are staged, not itself.
        links = [*self._gitlinks(tree)] if before else []
        for path, commit in links:
            recorded = before.get(path, "")
            notes += self._look_into(path, recorded or commit)
            if commit != recorded and not self._can_be_fetched(path, commit, recorded):
                undone.append(_back(path, recorded, commit))
                notes.append(
                    f"{path} is left as it was: the remote of the submodule does not have {commit}"
                )
        return (write_paths(self.objects, tree, undone) if undone else tree), tuple(notes)

    def _gitlinks(self, tree: str) -> Iterator[tuple[str, str]]:
        for path, (mode, commit) in self.objects.folders(tree).items():
            if mode == GITLINK:
                yield path, commit

    def _look_into(self, path: str, recorded: str) -> Iterator[str]:
        place = self.files / path
        if not is_folder(place):
            return
        folder = self._find_git_folder(place)
        if folder is not None:
            left = self._submodule(folder, place, recorded)
            yield from self._keep(left, f"the files and commits of the submodule {path}")
            return
        entries = [entry for entry in walk_folders(place) if not is_folder(entry)]
        names = [str(entry.relative_to(self.files)) for entry in entries]
        name = f"{self.keeper.name}-submodules"
        user = self.account.uid if self.account else 0
        if keep_copies(names, self.files, self.keeper.keeping, name=name, user=user):
            kept = self.keeper.keeping / name / path
            yield f"the files in {path}, the place of a submodule, are kept in {kept}"

    def _submodule(self, folder: GitFolder, place: Path, recorded: str) -> LeftRepository:
        known = (*folder.remote_ids(), recorded)
        return LeftRepository(
            folder=folder,
            files=place,
            is_apart=True,
            known=known,
            needed=known,
            account=self.account,
        )

    def _can_be_fetched(self, path: str, commit: str, recorded: str) -> bool:
        folder = self._find_git_folder(self.files / path)
        if folder is None:
            return False
        left = self._submodule(folder, self.files / path, recorded or commit)
        return self.keeper.holds(left, commit)

    def _find_git_folder(self, place: Path) -> GitFolder | None:
        """Return the repository of a submodule, None if it lies outside the attempt."""
        dot_git = place / ".git"
        if is_folder(dot_git):
            return GitFolder(path=dot_git)
        text = GitFolder(path=place).text(".git").strip()
        if not text.startswith("gitdir: ") or len(text) > _LONGEST_LINK:
            return None
        found = Path(os.path.realpath(place / text.removeprefix("gitdir: ")))
        is_inside = found.is_relative_to(os.path.realpath(self.git_dir / "modules"))
        return GitFolder(path=found) if is_inside and is_folder(found) else None

    def remember_index(self) -> None:
        """Record the index that the attempt is given: while it is the same, nothing is staged."""
        self.given.write_text(_digest(GitFolder(path=self.git_dir).index()), encoding="ascii")

    def look_at_index(self, before: str) -> AgentIndex:
        """Return what the attempt's index has, compared with the tree `before`.

        Of the added paths only files that are there are returned.
        """
        self.gone.clear()
        data = GitFolder(path=self.git_dir).index()
        if not data or self._is_given(data):
            return AgentIndex()
        found = self._read_index(data, before)
        if found is None:  # git cannot read it, so a copy keeps what is staged
            self.gone.add("")
            return AgentIndex()
        self.gone.update(one for one in found.added if not os.path.lexists(self.files / one))
        return replace(found, added=tuple(sorted(filter(self._is_file_inside, found.added))))

    def _is_given(self, data: bytes) -> bool:
        with suppress(OSError, ValueError):
            return self.given.read_text(encoding="ascii") == _digest(data)
        return False

    def _read_index(self, data: bytes, tree: str) -> AgentIndex | None:
        copy = self.given.with_suffix(".theirs")
        try:
            copy.write_bytes(data)
            git = Git(
                self.git_dir.parent,
                git_dir=self.objects.path,
                work_tree=self.files,
                index=copy,
                private=True,
            )
            found = read_agent_index(git, tree)
        finally:
            copy.unlink(missing_ok=True)
        # A split or sparse index needs files and objects of its repository.
        return found or self.keeper.read_index(self._own(known=()), tree)

    def _is_file_inside(self, path: str) -> bool:
        """Return whether the path, which an agent wrote, is a file of the worktree."""
        place, top = self.files / path, os.path.realpath(self.files)
        is_named = ".." not in path.split("/") and os.path.lexists(place)
        above = os.path.normpath(os.path.join(top, os.path.dirname(path)))  # noqa: PTH118, PTH120
        return is_named and not is_folder(place) and os.path.realpath(place.parent) == above


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _folders_of(paths: Iterable[str]) -> set[str]:
    """Return the folders on the way to the paths."""
    found = set[str]()
    for path in paths:
        above = path.rpartition("/")[0]
        while above and above not in found:
            found.add(above)
            above = above.rpartition("/")[0]
    return found


def _back(path: str, recorded: str, commit: str) -> PathChange:
    """Return the change that sets a submodule back to the recorded commit, or removes it."""
    return PathChange(
        path=path,
        old_mode=GITLINK,
        new_mode=GITLINK if recorded else ABSENT,
        blob=recorded,
        old_blob=commit,
    )
