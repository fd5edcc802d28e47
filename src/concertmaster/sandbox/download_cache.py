"""Copies the download caches of package managers from one home into others.

Attempts then need not download the same packages again. Each home gets its own copy, so no
attempt can change the packages of another one.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from concertmaster.sandbox.users import Account, give_ownership

MOST_BYTES = 2 << 30
MOST_ENTRIES = 300_000
DEEPEST = 64  # levels of folders; caches have fewer

# Default places below a home, as documented by each tool.
CACHES = (
    ".cache/uv",  # docs.astral.sh/uv/concepts/cache
    ".cache/pip",  # pip.pypa.io/en/stable/topics/caching
    ".npm/_cacache",  # docs.npmjs.com/cli/commands/npm-cache
    ".local/share/pnpm/store",  # pnpm.io/settings, storeDir
    ".cache/pnpm",  # pnpm.io/settings, cacheDir
    ".cache/yarn",  # classic.yarnpkg.com/en/docs/cli/cache
    ".yarn/berry/cache",  # yarnpkg.com/configuration/yarnrc, globalFolder
    *(".cargo/registry/index", ".cargo/registry/cache"),  # doc.rust-lang.org/cargo/guide,
    ".cargo/git/db",  # "Cargo Home": it recommends these three for CI caches
    "go/pkg/mod",  # go.dev/ref/mod, GOMODCACHE
    ".cache/go-build",  # pkg.go.dev/cmd/go, GOCACHE
)
_AT_ONCE = 1 << 30


def keep(home: Path, kept: Path) -> str:
    """Copy the caches of a home into the folder `kept`, which only the engine can write.

    Return the reason if the copy failed, else "". An existing `kept` stays as it is. The caller
    makes sure that no process that can change the home still runs.
    """
    draft = kept.with_name(f"{kept.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    if kept.exists():
        return ""
    try:
        draft.mkdir(mode=stat.S_IRWXU)
        _copy_caches(home, draft)
        draft.rename(kept)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        return f"download caches are not shared: {error.strerror}"
    return ""


def hand_out(kept: Path, home: Path, *, account: Account | None) -> str:
    """Copy the caches in `kept` into a new home and give the home to the account.

    Return the reason if the copy failed, else "". A failed copy leaves no caches in the home.
    """
    if not kept.exists():
        return ""
    note = ""
    try:
        _copy_caches(kept, home)
    except OSError as error:
        note = f"its download caches are empty: {error.strerror}"
        for name in {cache.partition("/")[0] for cache in CACHES}:
            shutil.rmtree(home / name, ignore_errors=True)
    if account is not None:
        give_ownership(home, account.uid)
    return note


def _copy_caches(source: Path, target: Path) -> None:
    """Copy all known caches. Raises OSError, also if they exceed the limits."""
    room = _Room()
    for cache in CACHES:
        if _is_real(source, cache):
            (target / cache).parent.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
            _copy(source / cache, target / cache, owner=source.lstat().st_uid, room=room)


def _is_real(top: Path, path: str) -> bool:
    """Return whether the path below `top` is a folder and no part of it is a symlink."""
    place = top / path
    ways = (place, *place.parents[: len(Path(path).parts)])
    return all(stat.S_ISDIR(_mode(way)) for way in ways)


def _mode(path: Path) -> int:
    try:
        return path.lstat().st_mode
    except OSError:
        return 0


class _Room:
    """The number of bytes and entries that may still be copied."""

    def __init__(self) -> None:
        self._bytes, self._entries = MOST_BYTES, MOST_ENTRIES

    def take(self, size: int) -> None:
        self._bytes -= size
        self._entries -= 1
        if self._bytes < 0 or self._entries < 0:
            limit = f"{MOST_BYTES >> 20} MiB or {MOST_ENTRIES:,} files"
            raise OSError(0, f"there is more than {limit}")


def _copy(source: Path, target: Path, *, owner: int, room: _Room) -> None:
    """Copy folders, files and inner symlinks; leave out special files and those of other users.

    Files are never hard-linked: a write through one link would change every home's file.
    """
    root = os.path.realpath(source)
    for folder, folders, files, fd in os.fwalk(source, follow_symlinks=False):
        place = target / Path(folder).relative_to(source)
        place.mkdir(mode=stat.S_IRWXU)
        for name in (*folders, *files):
            info = os.stat(name, dir_fd=fd, follow_symlinks=False)
            room.take(info.st_size if stat.S_ISREG(info.st_mode) else 0)
            if stat.S_ISLNK(info.st_mode):
                _copy_link(Path(folder, name), place / name, root=root)
            elif stat.S_ISREG(info.st_mode) and info.st_uid == owner:
                _copy_file(name, place / name, info=info, folder=fd)
        if len(place.parts) - len(target.parts) >= DEEPEST:
            folders.clear()


def _copy_link(link: Path, copy: Path, *, root: str) -> None:
    """Copy a symlink as a relative one if its target lies in the same cache."""
    leads_to = os.path.realpath(link)
    if Path(leads_to).is_relative_to(root):
        copy.symlink_to(os.path.relpath(leads_to, os.path.realpath(link.parent)))


def _copy_file(name: str, copy: Path, *, info: os.stat_result, folder: int) -> None:
    """Copy a file with its times and its owner's permissions."""
    mode = info.st_mode & stat.S_IRWXU
    with (
        _opened(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, folder=folder) as source,
        _opened(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode=mode) as target,
    ):
        _copy_content(source, target)
        os.utime(target, ns=(info.st_atime_ns, info.st_mtime_ns))


@contextmanager
def _opened(
    path: str | Path, flags: int, *, mode: int = 0, folder: int | None = None
) -> Iterator[int]:
    fd = os.open(path, flags, mode, dir_fd=folder)
    try:
        yield fd
    finally:
        os.close(fd)


def _copy_content(source: int, target: int) -> None:
    """Copy the bytes; some file systems then share the blocks until one file is changed."""
    if sys.platform == "linux":
        with suppress(OSError):  # not supported here, or across two file systems
            while os.copy_file_range(source, target, _AT_ONCE):
                pass
    with open(source, "rb", closefd=False) as rest, open(target, "wb", closefd=False) as file:
        shutil.copyfileobj(rest, file)
