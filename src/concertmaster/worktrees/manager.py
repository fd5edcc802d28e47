"""Makes and finds the attempt folders of one run."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path

from concertmaster.errors import Error
from concertmaster.git.alternates import add_alternates, has_alternates
from concertmaster.git.command import OUR_EMAIL, OUR_NAME, Git, quoted
from concertmaster.git.remotes import branch_remote, list_remotes, write_config
from concertmaster.git.repository import Repository
from concertmaster.git.run_repository import RunRepository
from concertmaster.sandbox.ports import PortBlocks
from concertmaster.sandbox.supervisor import end_users
from concertmaster.sandbox.users import Accounts
from concertmaster.worktrees.owner import (
    OWNER_FILE,
    AttemptOwner,
    discard_attempt,
    draft_prefix,
    list_attempts,
    make_short_folder,
    read_owner,
    remove_attempt,
    remove_index,
    remove_short_folder,
    share_folder,
    tree_path,
)
from concertmaster.worktrees.place import close_place, open_place
from concertmaster.worktrees.removal import remove_folder
from concertmaster.worktrees.strays import keep_stray, undo_strays_above
from concertmaster.worktrees.worktree import RunParts, Worktree


class Worktrees:
    """The attempt folders of one run. Threads need no lock.

    With `accounts` each folder belongs to a user of its own, and no other attempt can read it.
    """

    def __init__(
        self,
        repository: RunRepository,
        *,
        user: Repository,
        cache: Path,
        run: str,
        accounts: Accounts | None = None,
    ) -> None:
        self._repository = repository
        self._cache = cache
        self._run = run
        self._accounts = accounts
        if accounts is not None:
            accounts.reserve({owner.uid for owner in list_attempts(cache).values()})
        self._user = user
        self._target = self._remote = self._base = ""
        self._tree = tree_path(user.name)
        self._ports = PortBlocks()
        self._ports_by_folder: dict[Path, int] = {}
        self._ports.reserve(one.port for one in list_attempts(cache).values())
        self._template = repository.path.with_name("template")
        if not has_alternates(self._template, *_objects(repository, user)):
            _make_template(self._template, repository, user)

    def name_parts(self, *, target: str, name: str = "", base: str = "") -> None:
        """Let the branch `target` stand at the base of each attempt.

        `name` is that of the worktrees; without it they are called like the checkout. `base` is a
        commit that the user has; bundles of what agents left leave its history out.
        """
        self._target = target
        self._remote = branch_remote(self._user, target) if target else ""
        self._tree = tree_path(name) if name else self._tree
        self._base = base

    def create(
        self, commit: str, *, task: str, attempt: int, branch: str, name: str = ""
    ) -> Worktree:
        """Make a folder with the files of the commit and `branch` checked out on it.

        The target stands at the commit as well. With `name` it replaces the folder of that
        name, which is moved to the run's strays. Raises GitFault when the commit or the branch is
        not usable; then no folder is left.
        """
        self._free_ports()
        draft = self._draft()
        name = name or f"{task[:24]}-{attempt}-{draft.name.rpartition('-')[2]}"
        folder = self._cache / name
        if folder.exists():
            remove_short_folder(name)
            keep_stray(folder, self._repository.path.with_name("strays"))
        owner = AttemptOwner(
            repository=str(self._repository.path),
            run=self._run,
            task=task,
            attempt=attempt,
            branch=branch,
            uid=self._accounts.take() if self._accounts else 0,
            tree=self._tree,
            temporary=make_short_folder(name),
            port=self._ports.take(),
            target="" if self._target == branch else self._target,
            base=commit,
        )
        self._furnish(draft, owner)
        draft.rename(folder)
        self._ports_by_folder[folder] = owner.port
        worktree = self._worktree(folder, owner)
        try:
            worktree.check_out(commit)
        except (Error, OSError):
            worktree.remove()
            raise
        return worktree

    def _free_ports(self) -> None:
        """Give back the ports of attempts that are gone; there may be more attempts than ports."""
        for folder in list(self._ports_by_folder):
            if not folder.exists():
                self._ports.give_back(self._ports_by_folder.pop(folder, 0))

    def _draft(self) -> Path:
        """Make a folder whose name is that of a draft.

        After a crash at any point, `discard_others` finds the folder.
        """
        open_place(self._cache)
        if self._accounts:
            self._cache.chmod(0o711)
        undo_strays_above(self._cache, self._repository)
        return Path(tempfile.mkdtemp(prefix=draft_prefix(self._run), dir=self._cache))

    def _furnish(self, draft: Path, owner: AttemptOwner) -> None:
        """Record the owner and make the parts of the attempt, before it gets its final name."""
        (draft / OWNER_FILE).write_text(json.dumps(asdict(owner)), encoding="utf-8")
        (draft / OWNER_FILE).chmod(0o600)
        self._worktree(draft, owner).make_places()
        for folder in (draft, *([Path(owner.temporary)] if owner.temporary else [])):
            share_folder(folder, owner.uid)

    def open(self, folder: Path) -> Worktree | None:
        """Return the worktree in the folder, or None if it is gone or of another run."""
        owner = read_owner(folder)
        if owner is None or folder.parent != self._cache or not self._is_ours(owner):
            return None
        found = self._worktree(folder, owner)
        found.close_to_others()  # the process before us may have died before it did
        found.make_places()
        return found

    def _is_ours(self, owner: AttemptOwner) -> bool:
        return (owner.run, owner.repository) == (self._run, str(self._repository.path))

    def remove(self, folder: Path) -> None:
        """Remove all of an attempt, even if its owner's record is damaged. Safe to repeat."""
        if folder.parent == self._cache:
            remove_attempt(folder, self._run)
            remove_index(self._repository.path, folder.name)

    def discard_others(self, named: Collection[str]) -> None:
        """Remove all folders of this run except those with these names.

        Processes are ended first; those that run as the user of a folder that stays are ended too.
        """
        for folder, owner in list_attempts(self._cache).items():
            if self._is_ours(owner) and folder.name not in named:
                discard_attempt(folder)
            elif self._is_ours(owner) and owner.uid:
                end_users([owner.uid])
        for draft in self._cache.glob(f"{draft_prefix(self._run)}*"):
            remove_attempt(draft, self._run)

    def close(self) -> None:
        """Remove the folder of all attempts if it is empty and we made it."""
        close_place(self._cache)

    def _worktree(self, folder: Path, owner: AttemptOwner) -> Worktree:
        parts = RunParts(
            repository=self._repository,
            user=RunRepository(self._user.git_dir),
            template=self._template,
            remote=self._remote,
            base=self._base,
        )
        return Worktree(folder, owner, parts)


def _make_template(template: Path, repository: RunRepository, user: Repository) -> None:
    """Make the empty repository that every attempt copies, which needs no git process."""
    draft = template.with_name(f"{template.name}.new")
    remove_folder(draft)
    draft.mkdir()
    format_option = f"--object-format={user.object_format}"
    Git(draft, private=True).run("init", "--quiet", "--template=", format_option)
    git_dir = draft / ".git"
    add_alternates(git_dir, *_objects(repository, user))
    (git_dir / "info").mkdir(exist_ok=True)
    for name in ("info/exclude", "shallow"):
        if (repository.path / name).exists():
            shutil.copyfile(repository.path / name, git_dir / name)
    (git_dir / "packed-refs").write_text(_packed_references(user), errors="surrogateescape")
    name = quoted(user.config.get("user.name", OUR_NAME))
    email = quoted(user.config.get("user.email", OUR_EMAIL))
    with (git_dir / "config").open("a", encoding="utf-8", errors="surrogateescape") as config:
        config.write(f"[user]\n\tname = {name}\n\temail = {email}\n[gc]\n\tauto = 0\n")
        config.write("[maintenance]\n\tauto = false\n")
        # The commits of an agent do not land, and a signature would ask for a passphrase.
        config.write("[commit]\n\tgpgSign = false\n[tag]\n\tgpgSign = false\n")
        config.write(write_config(list_remotes(user)))
    remove_folder(template)  # of a repository that was moved
    git_dir.rename(template)
    draft.rmdir()


def _objects(repository: RunRepository, user: Repository) -> tuple[Path, Path]:
    return repository.path / "objects", user.git_dir / "objects"


def _packed_references(user: Repository) -> str:
    """Return the user's tags and remote-tracking branches as a file of packed references."""
    form = "--format=%(objectname) %(refname)%(if)%(*objectname)%(then)%0a^%(*objectname)%(end)"
    found = user.git.run("for-each-ref", form, "refs/remotes", "refs/tags")
    return f"# pack-refs with: peeled fully-peeled sorted \n{found}\n" if found else ""
