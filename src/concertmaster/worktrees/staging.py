"""Writes the files of a worktree to an index of ours and says what git does not take.

`git add` is not used: it runs `git status` in embedded repositories, and with it the programs that
their configuration names.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from concertmaster.errors import GitFault
from concertmaster.git.command import (
    Git,
    GitAnswer,
    GitTimeout,
    git_fault,
    parse_object_id,
    split_records,
)
from concertmaster.sandbox.users import Account
from concertmaster.worktrees.agent_index import AgentIndex
from concertmaster.worktrees.removal import allow_entry, is_folder, remove_special, walk_folders

PATIENCE_SECONDS = 3.0  # then we look for what git may wait for, such as a pipe
LARGEST_FILE_BYTES = 1 << 30
DEEPEST_REPOSITORY = 10  # repositories inside each other
_CHANGED = ("--others", "--modified", "--deleted", "--exclude-standard")


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """The files of a worktree as a tree.

    A refused path is not in it as it is on disk: git does not take its name or its content. What
    the index had there before stays. `repositories` are the folders that have a `.git` of their
    own. Each note names such a path. `changed` are the paths that were staged since the phase
    began, None if that is not known.
    """

    tree: str
    notes: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    changed: tuple[str, ...] | None = None


class Staging:
    """The index of one worktree, brought up to date from its files."""

    def __init__(
        self, git: Git, *, repository: Path, files: Path, index: Path, account: Account | None
    ) -> None:
        self._git = git
        self._repository = repository
        self._files = files
        self._index = index
        self._account = account
        self._since_start: dict[str, None] | None = None

    def write_tree(self, parent: str, *, look: Callable[[], AgentIndex] = AgentIndex) -> Staged:
        """Return the tree of all files but the ignored ones that the agent's index does not have.

        `look` returns what the agent's index has. An index of ours that is missing or damaged is
        made anew from the commit `parent`. Raises GitFault when not all of the worktree can be
        read.
        """
        theirs = look()
        listed = self._list_changes(parent)
        left_out = [path for path in listed if self._is_left_out(path, theirs)]
        if not left_out:
            return self._stage(listed, theirs)
        # Git then reads ignore files that are not there from the index.
        self._mark("--skip-worktree", left_out)
        try:
            staged = self._stage(self._list_changes(parent), theirs)
        finally:
            self._mark("--no-skip-worktree", left_out)
        return replace(staged, notes=(*staged.notes, _tell_left_out(left_out)))

    def start(self, parent: str) -> str:
        """Return the tree of all files, and take note of the paths that are staged from now on."""
        tree = self.write_tree(parent).tree
        self._since_start = dict[str, None]()
        return tree

    def _stage(self, changes: Sequence[str], theirs: AgentIndex) -> Staged:
        """Stage what git lists as changed and what the agent's index says."""
        listed = [*changes, *theirs.added]
        inner = [path for path in listed if path.endswith("/")]
        plain = [path for path in listed if not path.endswith("/")]
        repositories, more = self._open_repositories(inner)
        paths = list(dict.fromkeys((*plain, *more)))
        foreign = [path for path in paths if self._is_foreign(self._files / path)]
        large = [path for path in paths if _is_large(self._files / path)]
        refused = dict.fromkeys(large, f"it is larger than {LARGEST_FILE_BYTES >> 30} GiB")
        self._update(sorted({*paths} - {*foreign, *large}), refused)
        notes = (
            *(f"{path} is left out: it is another user's" for path in sorted(foreign)),
            *(f"{path} is left out: {reason}" for path, reason in sorted(refused.items())),
            *(
                f"{path} is a repository of its own; its files are part of the change, its history "
                "is not"
                for path in repositories
            ),
        )
        self._untrack(theirs.removed)
        tree = self._git.run("write-tree")
        return Staged(
            tree=tree,
            notes=notes,
            refused=tuple(sorted(refused)),
            repositories=repositories,
            changed=self._add_changed(paths),
        )

    def list_ignored(self) -> list[str]:
        """Return the ignored paths; a folder that is ignored as a whole ends with a slash."""
        options = ("--others", "--ignored", "--exclude-standard", "--directory")
        return split_records(self._ask(self._git, "ls-files", "-z", *options).out)

    def _list_changes(self, parent: str) -> list[str]:
        found = self._ask(self._git, "ls-files", "-z", *_CHANGED) if self._index.exists() else None
        if found is None or found.code != 0:
            self._index.unlink(missing_ok=True)
            self._git.run("read-tree", parse_object_id(parent))
            found = self._ask(self._git, "ls-files", "-z", *_CHANGED)
        if "Permission denied" in found.err:
            walk_folders(self._files)
            found = self._ask(self._git, "ls-files", "-z", *_CHANGED)
        # A folder that stays closed would show its files as deleted.
        if found.code != 0 or "Permission denied" in found.err:
            raise git_fault("ls-files", found)
        return split_records(found.out)

    def _ask(self, git: Git, *arguments: str) -> GitAnswer:
        """Ask git about the files; it is asked again without the pipes that it may wait for.

        Git opens every .gitignore and .gitattributes, whatever it is.
        """
        try:
            return git.ask(*arguments, limit_seconds=PATIENCE_SECONDS)
        except GitTimeout:
            for entry in walk_folders(self._files):
                with suppress(OSError):
                    remove_special(entry)
            return git.ask(*arguments)

    def _open_repositories(self, folders: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
        """Return the repositories in the folders and inside them, and all their files."""
        found, paths, waiting = list[str](), list[str](), list(folders)
        for _ in range(DEEPEST_REPOSITORY):
            found += waiting
            listed = [path for folder in waiting for path in self._list_inside(folder)]
            paths += [path for path in listed if not path.endswith("/")]
            waiting = [path for path in listed if path.endswith("/")]
        if waiting:
            raise GitFault(
                "the worktree cannot be saved as a whole",
                why=f"{waiting[0]} lies in more than {DEEPEST_REPOSITORY} repositories",
            )
        return tuple(found), self._drop_ignored(paths)

    def _list_inside(self, folder: str) -> Iterator[str]:
        """Yield the files in a repository inside the worktree, and the repositories in it.

        Git is told another repository, so that it does not open this one.
        """
        inside = self._files / folder
        git = Git(
            self._files,
            git_dir=self._repository,
            work_tree=inside,
            index=self._index.with_name(f"{self._index.name}.none"),
            private=True,
        )
        arguments = ("ls-files", "-z", "--others", "--exclude-standard")
        found = self._ask(git, "-C", str(inside), *arguments)
        if found.code != 0 or "Permission denied" in found.err:
            raise git_fault("ls-files", found)
        yield from (f"{folder}{path}" for path in split_records(found.out))

    def _drop_ignored(self, paths: list[str]) -> list[str]:
        """Return the paths that the ignore files around their repository do not name."""
        if not paths:
            return []
        answer = self._git.ask("check-ignore", "-z", "--no-index", "--stdin", stdin=_lines(paths))
        if answer.code not in (0, 1):
            raise git_fault("check-ignore", answer)
        ignored = {*split_records(answer.out)}
        return [path for path in paths if path not in ignored]

    def _is_left_out(self, path: str, theirs: AgentIndex) -> bool:
        """Return whether it is missing because the agent made its checkout sparse."""
        return path in theirs.left_out and not os.path.lexists(self._files / path)

    def _mark(self, option: str, paths: Sequence[str]) -> None:
        self._git.run("update-index", option, "-z", "--stdin", stdin=_lines(paths))

    def _add_changed(self, paths: Sequence[str]) -> tuple[str, ...] | None:
        if self._since_start is None:
            return None
        self._since_start |= dict.fromkeys(paths)
        return tuple(self._since_start)

    def _untrack(self, removed: Sequence[str]) -> None:
        """Remove files that the agent has removed from its index and lets git ignore."""
        there = [path for path in removed if os.path.lexists(self._files / path)]
        ignored = sorted({*there} - {*self._drop_ignored(there)})
        if ignored:
            options = ("-z", "--force-remove", "--stdin")
            self._git.run("update-index", *options, stdin=_lines(ignored))

    def _is_foreign(self, place: Path) -> bool:
        """Return whether the path is a hard link to a file of another user.

        We could read that file even if the attempt's user cannot.
        """
        try:
            owner = place.lstat().st_uid
        except OSError:
            return False  # deleted
        if self._account is None or owner == self._account.uid:
            return False
        return place.parent.resolve().is_relative_to(self._files.resolve())

    def _update(self, paths: Sequence[str], refused: dict[str, str]) -> None:
        """Stage the paths and add those that git does not take to `refused`, with the reason.

        One path that git refuses makes it refuse all, so the paths are halved until it is alone.
        """
        if not paths:
            return
        answer = self._update_index(paths)
        if answer.code == 0:
            refused |= dict.fromkeys(_ignored(answer), "git takes no such name")
        elif len(paths) == 1:
            refused |= self._update_stubborn(paths[0])
        else:
            middle = len(paths) // 2
            self._update(paths[:middle], refused)
            self._update(paths[middle:], refused)

    def _update_stubborn(self, path: str) -> dict[str, str]:
        """Stage a path after making it readable; return it with the reason if git refuses it.

        What was there before stays, since nobody removed it, unless something else took its place.
        """
        place = self._files / path
        _allow_way(self._files, path)
        answer = self._update_index([path])
        if answer.code == 0:
            return {}
        is_replaced = is_folder(place) or "beyond a symbolic link" in answer.err
        if is_replaced or _is_special(place):
            self._git.run("update-index", "-z", "--force-remove", "--stdin", stdin=_lines([path]))
        if is_replaced:  # what took its place is listed on its own
            return {}
        return {path: answer.err.partition("\n")[0].removeprefix("error: ")}

    def _update_index(self, paths: Sequence[str]) -> GitAnswer:
        options = ("--add", "--remove", "--replace", "-z", "--stdin")
        return self._git.ask("update-index", *options, stdin=_lines(paths))


def _allow_way(top: Path, path: str) -> None:
    """Make the folders on the way to the path, and what lies there, accessible.

    A link is not followed: what it leads to is not the attempt's.
    """
    place = top
    for part in PurePath(path).parts:
        place /= part
        if os.path.islink(place):  # noqa: PTH114  the path may be too long, which is no link
            return
        allow_entry(place)


def _tell_left_out(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - 1} more" if paths[1:] else ""
    return f"the agent made its checkout sparse; not taken as deleted: {paths[0]}{more}"


def _is_large(place: Path) -> bool:
    try:
        found = place.lstat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size > LARGEST_FILE_BYTES


def _is_special(place: Path) -> bool:
    """Return whether a pipe, a socket or a device lies there."""
    return os.path.lexists(place) and not place.is_symlink() and not place.is_file()


def _lines(paths: Sequence[str]) -> bytes:
    return b"".join(os.fsencode(path) + b"\0" for path in paths)


def _ignored(answer: GitAnswer) -> list[str]:
    start = "Ignoring path "
    lines = answer.err.split("\n")
    return [line.removeprefix(start) for line in lines if line.startswith(start)]
