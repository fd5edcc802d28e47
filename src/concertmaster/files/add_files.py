"""Adds files to a folder of the user's, all of them or none, and never overwrites one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from concertmaster.errors import EnvironmentFault, UsageError

_OTHER_FOLDER = "name another folder with --into"


def check_folder(folder: Path) -> None:
    """Check that `folder` is a folder or can be made. Raises UsageError when it is not."""
    nearest = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    if not nearest.is_dir():
        raise UsageError(
            f"the files cannot go to {folder}",
            why=f"{nearest} is no folder",
            next_step=_OTHER_FOLDER,
        )


def add_files(folder: Path, files: Mapping[str, bytes], *, way_out: str = _OTHER_FOLDER) -> None:
    """Write the files, by name or path, into the folder; missing folders are made.

    Raises UsageError when a name is taken and EnvironmentFault when the disk refuses; then nothing
    was added. `way_out` is the advice in the error.
    """
    taken = sorted(name for name in files if os.path.lexists(folder / name))
    if taken:
        raise _taken(folder, taken, way_out=way_out)
    try:
        with ExitStack() as stack:
            for parent in [folder, *((folder / name).parent for name in files)]:
                stack.enter_context(_made(parent))
            drafts = stack.enter_context(_drafts(folder))
            for number, data in enumerate(files.values()):
                (drafts / str(number)).write_bytes(data)
            _link(drafts, folder, names=[*files], way_out=way_out)
    except OSError as error:
        raise EnvironmentFault(
            f"the files cannot be written to {folder}",
            why=f"{error.strerror}: {error.filename}",
            next_step=f"{way_out}; nothing was written",
        ) from error


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make the folder and those above it; remove the ones that were made when the block fails."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    with ExitStack() as undo:
        for path in reversed(missing):
            path.mkdir(exist_ok=True)
            undo.callback(_remove_empty, path)
        yield
        undo.pop_all()


@contextmanager
def _drafts(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder for the files before they get their names."""
    with tempfile.TemporaryDirectory(
        prefix=".new-", dir=folder, ignore_cleanup_errors=True
    ) as name:
        yield Path(name)


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):  # not empty: another process has written to it
        folder.rmdir()


def _link(drafts: Path, folder: Path, *, names: list[str], way_out: str) -> None:
    """Give the files their names, all or none. Raises UsageError when one is taken.

    A link is made because a rename would overwrite a file that has appeared meanwhile.
    """
    with ExitStack() as undo:
        for number, name in enumerate(names):
            try:
                os.link(drafts / str(number), folder / name)
            except FileExistsError as error:
                raise _taken(folder, [name], way_out=way_out) from error
            undo.callback((folder / name).unlink, missing_ok=True)
        undo.pop_all()


def _taken(folder: Path, names: list[str], *, way_out: str) -> UsageError:
    more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
    return UsageError(
        f"{folder / names[0]}{more} exists already",
        why="a file that is there is never written over",
        next_step=f"{way_out}; nothing was written",
    )
