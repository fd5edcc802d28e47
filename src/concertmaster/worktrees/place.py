"""Chooses the folder that holds a repository's attempts."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from concertmaster.errors import UsageError

# Backup programs leave out a folder with this file; see bford.info/cachedir.
TAG = "CACHEDIR.TAG"
_TAG_TEXT = """\
Signature: 8a477f597d28d172789f06886806bc55
# Made by concertmaster, for the worktrees of attempts. `concertmaster clean` removes what is over.
"""
LONGEST = 100  # bytes; scripts of virtual environments start with a path of at most 127
_SHARED = ("/var/tmp", "/tmp")  # noqa: S108  a folder of our own in it, closed to others
_SUFFIX = ".attempts"
# Names of files that test runners, linters and build tools look for in all folders above.
_CONFIGURATION = frozenset(
    {
        *("conftest.py", "pytest.ini", "tox.ini", "setup.cfg", "pyproject.toml", "ruff.toml"),
        *("package.json", "node_modules", "pnpm-workspace.yaml", "lerna.json", "nx.json"),
        *("turbo.json", "tsconfig.json", "jsconfig.json", "deno.json", ".nycrc", ".npmrc"),
        *("go.mod", "go.work", "Cargo.toml", "Gemfile", "mix.exs", "composer.json"),
        *("pom.xml", "settings.gradle", "settings.gradle.kts", "build.gradle", "build.sbt"),
        *("WORKSPACE", "MODULE.bazel", "phpunit.xml", "Directory.Build.props", ".git", ".hg"),
    }
)
_CONFIGURATION_STARTS = (
    *("jest.config.", "vitest.config.", "babel.config.", "eslint.config.", ".eslintrc"),
    *(".babelrc", ".mocharc", ".prettierrc", ".rspec"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptsPlace:
    """The folder of a repository's attempts, and why it is this one."""

    folder: Path
    reason: str


def choose_place(
    root: Path, name: str, *, wanted: str = "", home: Path, cache: Path
) -> AttemptsPlace:
    """Return where the attempts at the repository in `root` of this name go. Make nothing.

    `wanted` is the setting, and `cache` the last resort. Raises UsageError when `wanted` lies
    inside of the checkout or cannot be written to.
    """
    name = (name.lstrip(".") or "repository") + _SUFFIX
    if wanted:
        return _choose_wanted(root, home if wanted == "~" else _expand(wanted, root, home), name)
    beside = root.parent / name
    problem = _find_problem(beside)
    if not problem:
        return AttemptsPlace(folder=beside, reason="beside the checkout")
    for folder in _private_folders():
        place = folder / name
        if not _find_problem(place):
            return AttemptsPlace(folder=place, reason=f"not beside the checkout: {problem}")
    return AttemptsPlace(folder=cache, reason=f"nowhere else is room: {problem}")


def _expand(wanted: str, root: Path, home: Path) -> Path:
    start = home if wanted.startswith("~/") else root
    return Path(os.path.normpath(start / wanted.removeprefix("~/")))


def _choose_wanted(root: Path, folder: Path, name: str) -> AttemptsPlace:
    place, why = folder / name, ""
    if place.resolve().is_relative_to(root.resolve()):
        why = "a check there would find the configuration of the checkout above it"
    elif not _is_writable(place):
        why = "it cannot be written to"
    elif not is_ours(place):
        why = f"{place} holds other files"
    if why:
        raise UsageError(
            f"`worktrees: {folder}` is no place for attempts",
            why=why,
            next_step="name another folder, or leave the setting out",
        )
    return AttemptsPlace(folder=place, reason="set by `worktrees`")


def _find_problem(place: Path) -> str:
    """Return why attempts should not lie there, "" if they may."""
    parent = place.parent.resolve()
    hidden = [part for part in parent.parts if part.startswith(".")]
    if hidden:
        return f"tools refuse paths with a dot folder ({hidden[0]})"
    if len(os.fsencode(place)) > LONGEST:
        return f"{parent} is a long path"
    if not _is_writable(place):
        return f"{parent} cannot be written to"
    if not is_ours(place):
        return f"{place} holds other files"
    above = next(_configuration_above(parent), None)
    return f"a check there would find {above}" if above else ""


def _configuration_above(folder: Path) -> Iterator[Path]:
    for parent in (folder, *folder.parents):
        with suppress(OSError):
            for entry in sorted(parent.iterdir()):
                name = entry.name
                is_empty = name == ".git" and entry.is_dir() and not (entry / "HEAD").exists()
                is_read = name in _CONFIGURATION or name.startswith(_CONFIGURATION_STARTS)
                if is_read and not is_empty:
                    yield entry


def _is_writable(place: Path) -> bool:
    there = next(folder for folder in (place, *place.parents) if folder.exists())
    with suppress(OSError):
        flags = os.statvfs(there).f_flag
        is_fit = not flags & (os.ST_RDONLY | getattr(os, "ST_NOEXEC", 0))
        return is_fit and there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    return False


def _private_folders() -> Iterator[Path]:
    """Yield folders of this user in the system's shared ones. A folder may be missing."""
    for shared in _SHARED:
        folder = Path(shared, f"concertmaster-{os.getuid()}")
        try:
            info = folder.lstat()
        except FileNotFoundError:
            yield folder
        except OSError:
            continue
        else:
            is_private = not info.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
            if stat.S_ISDIR(info.st_mode) and info.st_uid == os.getuid() and is_private:
                yield folder


def is_ours(place: Path) -> bool:
    """Return whether the folder is missing, empty or one that we made."""
    if not os.path.lexists(place):
        return True
    with suppress(OSError):
        return (place / TAG).is_file() or not any(place.iterdir())
    return False


def open_place(place: Path) -> None:
    """Make the folder, closed to other users, unless it exists; mark it if we have chosen it."""
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    place.mkdir(exist_ok=True, mode=0o700)
    if place.name.endswith(_SUFFIX) and not (place / TAG).exists():
        (place / TAG).write_text(_TAG_TEXT)


def close_place(place: Path) -> None:
    """Remove the folder if no attempt lies in it and we made it."""
    with suppress(OSError):
        if [entry.name for entry in place.iterdir()] == [TAG]:
            (place / TAG).unlink()
            place.rmdir()
