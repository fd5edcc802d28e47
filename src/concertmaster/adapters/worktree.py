"""One folder, one repository and one worktree for each attempt; the engine never trusts them.

Snapshots are taken with the run's repository and an index of ours, so nothing that an agent
configures in its own repository is ever run by us.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import stat
import tempfile
import uuid
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from concertmaster.adapters.account import Account, Accounts, give
from concertmaster.adapters.contents import Contents
from concertmaster.adapters.document import open_plain
from concertmaster.adapters.process import end_users
from concertmaster.adapters.repository import (
    OUR_EMAIL,
    OUR_NAME,
    Answer,
    Git,
    Repository,
    fault,
    object_id,
    records,
)
from concertmaster.adapters.run_repository import RunRepository, borrow, quoted
from concertmaster.errors import EnvironmentFault, Error, GitFault

_OWNER, _TREE, _GIT, _TEMPORARY, _HOME = "owner.json", "tree", "git", "tmp", "home"
_KNOWN = frozenset({_OWNER, _TREE, _GIT, _TEMPORARY, _HOME})
_LONGEST_OWNER = 1 << 16
_SHARED = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108  only looked through, by owner
_OURS = re.compile(r"[a-z0-9-]+-\d+-\w{8}|\.[\w-]+-\w{8}")  # an attempt's folder, a draft of one
_BRANCH = re.compile(r"\w[\w-]*([./]\w[\w-]*)*")  # it becomes a path below the attempt's refs


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose attempt a folder is. `repository` is the path of the run's repository.

    `uid` is the user that its commands run as, where they have one of their own; else 0.
    """

    repository: str
    run: str
    task: str
    attempt: int
    branch: str
    uid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the worktree held. A note names a path that is not in it as it lay there, and why."""

    commit: str
    tree: str
    notes: tuple[str, ...] = ()


def attempts(cache: Path) -> dict[Path, Owner]:
    """Every attempt's folder directly below `cache`, and whose it is."""
    folders = sorted(cache.iterdir()) if cache.is_dir() else []
    owners = ((folder, _read_owner(folder)) for folder in folders)
    return {folder: owner for folder, owner in owners if owner is not None}


def _read_owner(folder: Path) -> Owner | None:
    """An agent may have put anything in the place of the file."""
    place = folder / _OWNER
    try:
        with open_plain(place, what="an owner", most_bytes=_LONGEST_OWNER) as descriptor:
            values = json.loads(os.read(descriptor, _LONGEST_OWNER))
        numbers = {"attempt": int(values["attempt"]), "uid": int(values.get("uid", 0))}
        return Owner(**{**values, **numbers})
    except (EnvironmentFault, OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def discard(folder: Path) -> None:
    """Remove an attempt's folder whose run is over."""
    owner = _read_owner(folder)
    if owner is None:
        _remove(folder)
    else:
        _remove_attempt(folder, owner.run)
        _remove(Path(owner.repository).with_name("indexes") / folder.name)


class Worktrees:
    """Makes and finds the attempt folders of one run. Threads need no lock.

    With `accounts` each folder belongs to a user of its own, and no other can look into it.
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
            accounts.reserve({owner.uid for owner in attempts(cache).values()})
        self._template = repository.path.with_name("template")
        if not self._template.exists():
            _make_template(self._template, repository, user)

    def create(
        self, commit: str, *, task: str, attempt: int, branch: str, name: str = ""
    ) -> Worktree:
        """A fresh folder with the files of the commit, and `branch` checked out on it.

        With `name` it takes the place of the folder of that name, which moves into our keeping.
        """
        owner = Owner(
            repository=str(self._repository.path),
            run=self._run,
            task=task,
            attempt=attempt,
            branch=branch,
            uid=self._accounts.take() if self._accounts else 0,
        )
        draft = self._draft(owner)
        folder = self._cache / (name or f"{task[:24]}-{attempt}-{draft.name.rpartition('-')[2]}")
        if folder.exists():
            _keep(folder, self._repository.path.with_name("strays"))
        draft.rename(folder)
        worktree = self._worktree(folder, owner)
        try:
            worktree.check_out(commit)
        except (Error, OSError):
            worktree.remove()
            raise
        return worktree

    def _draft(self, owner: Owner) -> Path:
        """A folder gets its name when it says whose it is, so none is ever nobody's."""
        self._cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        if owner.uid:
            self._cache.chmod(0o711)
        _undo_strays_above(self._cache, self._repository)
        draft = Path(tempfile.mkdtemp(prefix=_draft_prefix(self._run), dir=self._cache))
        for name in (_TREE, _TEMPORARY, _HOME):
            (draft / name).mkdir()
        (draft / _OWNER).write_text(json.dumps(asdict(owner)), encoding="utf-8")
        if owner.uid:
            _share(draft, owner.uid)
        return draft

    def open(self, folder: Path) -> Worktree | None:
        """None when the folder is gone or not one of this run."""
        owner = _read_owner(folder)
        if owner is None or folder.parent != self._cache or not self._is_ours(owner):
            return None
        return self._worktree(folder, owner)

    def _is_ours(self, owner: Owner) -> bool:
        return (owner.run, owner.repository) == (self._run, str(self._repository.path))

    def remove(self, folder: Path) -> None:
        """Nothing of the attempt is left, whatever became of its own records; safe to repeat."""
        if folder.parent == self._cache:
            _remove_attempt(folder, self._run)
            _remove(self._repository.path.with_name("indexes") / folder.name)

    def discard_others(self, named: Collection[str]) -> None:
        """Remove all folders of this run but those of these names, once no process uses them.

        Whatever still runs as the user of a folder that stays is ended.
        """
        for folder, owner in attempts(self._cache).items():
            if self._is_ours(owner) and folder.name not in named:
                discard(folder)
            elif self._is_ours(owner) and owner.uid:
                end_users([owner.uid])
        for draft in self._cache.glob(f"{_draft_prefix(self._run)}*"):
            _remove(draft)

    def _worktree(self, folder: Path, owner: Owner) -> Worktree:
        return Worktree(folder, owner, repository=self._repository, template=self._template)


def _make_template(template: Path, repository: RunRepository, user: Repository) -> None:
    """A repository without commits, which every attempt copies: that needs no process."""
    draft = template.with_name(f"{template.name}.new")
    _remove(draft)
    draft.mkdir()
    format_option = f"--object-format={user.object_format}"
    Git(draft, private=True).run("init", "--quiet", "--template=", format_option)
    git_dir = draft / ".git"
    borrow(git_dir, repository.path / "objects", user.git_dir / "objects")
    (git_dir / "info").mkdir(exist_ok=True)
    for name in ("info/exclude", "shallow"):
        if (repository.path / name).exists():
            shutil.copyfile(repository.path / name, git_dir / name)
    (git_dir / "packed-refs").write_text(_packed_tags(user), errors="surrogateescape")
    name = quoted(user.config.get("user.name", OUR_NAME))
    email = quoted(user.config.get("user.email", OUR_EMAIL))
    with (git_dir / "config").open("a", encoding="utf-8", errors="surrogateescape") as config:
        config.write(f"[user]\n\tname = {name}\n\temail = {email}\n[gc]\n\tauto = 0\n")
        config.write("[maintenance]\n\tauto = false\n")
    git_dir.rename(template)
    draft.rmdir()


def _packed_tags(user: Repository) -> str:
    form = "--format=%(objectname) %(refname)%(if)%(*objectname)%(then)%0a^%(*objectname)%(end)"
    tags = user.git.run("for-each-ref", form, "refs/tags")
    return f"# pack-refs with: peeled fully-peeled \n{tags}\n" if tags else ""


class Worktree:
    """One attempt's folder: `tree/` for the agent, the rest around it."""

    def __init__(
        self,
        folder: Path,
        owner: Owner,
        *,
        repository: RunRepository,
        template: Path,
    ) -> None:
        self.folder = folder
        self.owner = owner
        self.files = folder / _TREE
        self.temporary = folder / _TEMPORARY
        self.home = folder / _HOME
        self.account = Account(uid=owner.uid) if owner.uid else None
        self._repository = repository
        self._template = template
        self._keeping = repository.path.with_name("strays")
        # Not in the folder: what git reads and writes for us must be out of an agent's reach.
        self._index = repository.path.with_name("indexes") / folder.name
        self._git = Git(
            folder,
            git_dir=repository.path,
            work_tree=self.files,
            index=self._index,
            private=True,
        )

    def check_out(self, commit: str) -> None:
        """The files of the commit, and a new repository of the attempt's own."""
        if not _BRANCH.fullmatch(self.owner.branch):
            raise GitFault(f"not a name for a branch: {self.owner.branch!r}")
        self._index.parent.mkdir(exist_ok=True)
        self._git.run("read-tree", "--reset", "-u", object_id(commit))
        self._settle(commit)

    def _settle(self, commit: str) -> None:
        """The files are those of the commit; what is left is the repository, and to whom all
        belongs."""
        if self.account is not None:
            give(self.files, self.account.uid)
            # The index remembers the owner: without this every later look would read every file.
            self._git.ask("update-index", "-q", "--refresh")
        self._renew_repository(commit)
        if self.account is not None:
            for folder in (self.temporary, self.home, self.folder / _GIT):
                give(folder, self.account.uid)
            os.chown(self.files / ".git", self.account.uid, self.account.uid)

    def _renew_repository(self, commit: str) -> None:
        git_dir = self.folder / _GIT
        _remove(git_dir)
        _remove(self.files / ".git")
        shutil.copytree(self._template, git_dir, symlinks=True)
        ref = f"refs/heads/{self.owner.branch}"
        (git_dir / ref).parent.mkdir(parents=True, exist_ok=True)
        (git_dir / ref).write_text(f"{commit}\n", encoding="ascii")
        (git_dir / "HEAD").write_text(f"ref: {ref}\n", encoding="utf-8")
        shutil.copyfile(self._index, git_dir / "index")
        (self.files / ".git").write_text(f"gitdir: {git_dir}\n", encoding="utf-8")

    def snapshot(self, *, parent: str, message: str, at: int) -> Snapshot:
        """All files but the ignored ones, as one commit of ours in the run's repository."""
        self._check_place()
        notes = self._stage(parent)
        tree = self._git.run("write-tree")
        commit = self._repository.commit(tree, parents=(parent,), message=message, at=at)
        return Snapshot(commit=commit, tree=tree, notes=notes)

    def forget_index(self) -> None:
        """After a crash: an index that the disk has only in part would tell of deleted files."""
        self._index.unlink(missing_ok=True)

    def _check_place(self) -> None:
        """Refuse a worktree that leads elsewhere; drop the lock of a git that was killed."""
        if not _is_folder(self.files):
            what = "the worktree was removed or replaced by a process of the attempt"
            raise GitFault(what, why=str(self.files))
        _allow(self.files)
        self._index.with_name(f"{self._index.name}.lock").unlink(missing_ok=True)

    def _stage(self, parent: str) -> tuple[str, ...]:
        """Bring our index up to the files.

        `git add` would do, but it runs `git status` inside of embedded repositories, and with
        that what their configuration names.
        """
        found = self._list_changes() if self._index.exists() else None
        if found is None or found.code != 0:
            self._index.unlink(missing_ok=True)
            self._git.run("read-tree", object_id(parent))
            found = self._list_changes()
        if "Permission denied" in found.err:
            _walk(self.files)
            found = self._list_changes()
        if found.code != 0:
            raise fault("ls-files", found)
        paths = list(dict.fromkeys(records(found.out)))
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
        """A second name for a file that the attempt itself may not read; we may."""
        try:
            owner = place.lstat().st_uid
        except OSError:
            return False  # it was deleted
        if self.account is None or owner == self.account.uid:
            return False
        return place.parent.resolve().is_relative_to(self.files.resolve())

    def _list_changes(self) -> Answer:
        options = ("--others", "--modified", "--deleted", "--exclude-standard")
        return self._git.ask("ls-files", "-z", *options)

    def _update(self, paths: Sequence[str]) -> list[str]:
        """Stage the paths. One that git refuses fails all, so halves are tried."""
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
        """Make the file readable, or do without it."""
        for place in (*reversed((self.files / path).parents), self.files / path):
            if place.is_relative_to(self.files):
                _allow(place)
        answer = self._update_index([path])
        if answer.code == 0:
            return []
        self._git.run("update-index", "-z", "--force-remove", "--stdin", stdin=_lines([path]))
        if _is_folder(self.files / path) or "beyond a symbolic link" in answer.err:
            return []  # no file any more, and what took its place is listed by itself
        reason = answer.err.partition("\n")[0].removeprefix("error: ")
        return [f"{path} is left out: {reason}"]

    def _update_index(self, paths: Sequence[str]) -> Answer:
        options = ("--add", "--remove", "--replace", "-z", "--stdin")
        return self._git.ask("update-index", *options, stdin=_lines(paths))

    def list_contents(self) -> Contents:
        """All that lies in the worktree now, ignored files too."""
        return Contents.see(self.files)

    def remove_new(self, before: Contents) -> bool:
        """Remove what has come since; False where something is gone or has changed, which only
        `restore` can undo."""
        now = Contents.see(self.files) if _is_folder(self.files) else None
        if now is None or not now.holds(before):
            return False
        for path in now.added_to(before):
            _remove(self.files / path)
        return True

    def restore(self, commit: str, *, with_ignored: bool = False) -> None:
        """Files back to exactly the commit; ignored ones such as `.venv` stay, or go as well."""
        self.undo_strays()
        for folder in (self.files, self.temporary, self.home):
            folder.mkdir(exist_ok=True)
        self._check_place()
        for entry in _walk(self.files):
            _remove_special(entry)
        _remove(self.files / ".git")
        self._index.unlink(missing_ok=True)
        self._git.run("read-tree", "--reset", "-u", object_id(commit))
        self._git.run("clean", "-ffdqx" if with_ignored else "-ffdq")
        self._settle(commit)

    def undo_strays(self) -> tuple[str, ...]:
        """Move whatever lies beside and above what we put there into the run's keeping."""
        strays = sorted(entry for entry in self.folder.iterdir() if self._is_stray(entry))
        for stray in strays:
            _put_aside(stray, self._keeping, name=self.folder.name)
        above = _undo_strays_above(self.folder.parent, self._repository)
        return tuple(stray.name for stray in strays) + above

    def _is_stray(self, entry: Path) -> bool:
        replaced = entry in (self.files, self.temporary, self.home) and not _is_folder(entry)
        return replaced or entry.name not in _KNOWN

    def remove(self) -> None:
        """Nothing of the attempt is left; safe to repeat."""
        _remove_attempt(self.folder, self.owner.run)
        _remove(self._index)


def _lines(paths: Sequence[str]) -> bytes:
    return b"".join(os.fsencode(path) + b"\0" for path in paths)


def _ignored(answer: Answer) -> list[str]:
    return [line for line in answer.err.split("\n") if line.startswith("Ignoring path ")]


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:  # there is nothing, or the path is too long
        return False


def _walk(top: Path) -> list[Path]:
    """Everything below that has a path of a possible length, made accessible on the way; symlinks
    are not followed."""
    found: list[Path] = []
    folders = [top] if _is_folder(top) else []
    while folders:
        folder = folders.pop()
        _allow(folder)
        with contextlib.suppress(OSError):  # its path can be too long
            entries = [entry for entry in folder.iterdir() if os.path.lexists(entry)]
            found += entries
            folders += [entry for entry in entries if _is_folder(entry)]
    return found


def _allow(path: Path) -> None:
    """Give ourselves the rights that reading and removing need, where that can be done."""
    with contextlib.suppress(OSError):
        mode = path.lstat().st_mode
        wanted = stat.S_IRWXU if stat.S_ISDIR(mode) else stat.S_IRUSR
        if not stat.S_ISLNK(mode) and mode & wanted != wanted:
            path.chmod(stat.S_IMODE(mode) | wanted)


def _remove_special(path: Path) -> bool:
    """Pipes, sockets and devices hold no data; True when it was one."""
    kind = stat.S_IFMT(path.lstat().st_mode)
    if kind in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
        return False
    path.unlink()
    return True


def _undo_strays_above(cache: Path, repository: RunRepository) -> tuple[str, ...]:
    """A check would find a configuration there, like all that lies above a worktree."""
    strays = sorted(entry for entry in cache.iterdir() if not _OURS.fullmatch(entry.name))
    for stray in strays:
        with contextlib.suppress(FileNotFoundError):  # another thread was faster
            _put_aside(stray, repository.path.with_name("strays"))
    return tuple(f"../{stray.name}" for stray in strays)


def _put_aside(stray: Path, keeping: Path, *, name: str = "") -> None:
    for entry in _walk(stray):
        _remove_special(entry)
    if not _remove_special(stray):
        _keep(stray, keeping, name=name)


def _keep(path: Path, keeping: Path, *, name: str = "") -> None:
    """Move it where nothing is removed before the run is."""
    keeping.mkdir(exist_ok=True)
    try:
        shutil.move(path, tempfile.mkdtemp(prefix=f"{name or path.name}-", dir=keeping))
    except (shutil.Error, RecursionError) as error:  # it lies on another disk, and very deep
        raise GitFault(f"{path} cannot be put aside", why="not all of it can be copied") from error


def _share(folder: Path, uid: int) -> None:
    """The user can pass through, but neither list nor change what lies there; nobody else can."""
    (folder / _OWNER).chmod(0o600)
    os.chown(folder, -1, uid)
    folder.chmod(0o710)


def _draft_prefix(run: str) -> str:
    return f".{run}-"


def _remove_attempt(folder: Path, run: str) -> None:
    """It becomes a draft again first, so that a folder that is half gone is never nobody's."""
    owner = _read_owner(folder)
    if owner and owner.uid:
        end_users([owner.uid])
        _remove_shared(owner.uid)
    draft = folder.with_name(_draft_prefix(run) + folder.name.rpartition("-")[2])
    _remove(draft)
    with contextlib.suppress(FileNotFoundError):
        folder.rename(draft)
    _remove(draft)


def _remove_shared(uid: int) -> None:
    """What the user left where all users may write, for others to find."""
    for place in filter(Path.is_dir, map(Path, _SHARED)):
        for entry in place.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another attempt's, gone by itself
                if entry.lstat().st_uid == uid:
                    _remove(entry)


def _remove(path: Path) -> None:
    """Remove a file, a symlink or a whole folder; safe to repeat."""
    if not _is_folder(path):
        path.unlink(missing_ok=True)
        return
    try:
        shutil.rmtree(path)
    except (OSError, RecursionError):  # also of too many folders that are open at a time
        _flatten(path)
        shutil.rmtree(path)


def _flatten(top: Path) -> None:
    """Bring all folders below to the top and empty them: none lies too deep there for a call within
    calls or for the length of a path, and none is closed."""
    folders = _open_folders(top)
    while folders:
        folder = folders.pop()
        folders += [inner.rename(top / uuid.uuid4().hex) for inner in _open_folders(folder)]
        for entry in folder.iterdir():
            entry.unlink()
        folder.rmdir()


def _open_folders(folder: Path) -> list[Path]:
    """Those in the folder, which we may enter and change now, as the folder itself."""
    _allow(folder)
    found = [entry for entry in folder.iterdir() if _is_folder(entry)]
    for entry in found:
        _allow(entry)
    return found
