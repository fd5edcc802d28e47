"""Reads the prompt files that a user lists."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from concertmaster.errors import UsageError
from concertmaster.prompts.encoding import MAX_BYTES

MOST_GUESSED = 1000  # names that a wrong path is compared with


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptFile:
    """The contents of a prompt file, with its path as `name_prompt` gives it."""

    path: str
    data: bytes


def read_prompts(
    given: Sequence[Path], *, root: Path, all_prompts: bool = False
) -> tuple[list[PromptFile], list[str]]:
    """Return the listed prompt files, each once, and notes on repeated ones.

    With `all_prompts`, listed folders stand for the Markdown files below them. Raises UsageError if
    a file cannot be read or none is listed.
    """
    listed = [(name_prompt(path, root), path) for path in _expand(given, all_prompts=all_prompts)]
    files = {
        name: PromptFile(path=name, data=read_prompt(path)) for name, path in dict(listed).items()
    }
    times = Counter(name for name, _ in listed)
    notes = [
        f"{name} is listed more than once; it makes one task"
        for name, number in times.items()
        if number > 1
    ]
    if not files:
        raise UsageError(
            "no prompt files were given",
            why="Concertmaster runs exactly the files that are listed",
            next_step="list them: concertmaster run prompts/*.md",
        )
    return list(files.values()), notes


def _expand(given: Sequence[Path], *, all_prompts: bool) -> Sequence[Path]:
    found: list[Path] = []
    for listed in given:
        if all_prompts and listed.is_dir():
            found.extend(sorted(path for path in listed.rglob("*.md") if path.is_file()))
        else:
            found.append(listed)
    return found


def name_prompt(given: Path, root: Path) -> str:
    """Return the path relative to the repository, or the absolute path outside of it."""
    absolute = given.parent.resolve() / given.name
    if absolute.is_relative_to(root.resolve()):
        return absolute.relative_to(root.resolve()).as_posix()
    return absolute.as_posix()


def read_prompt(path: Path) -> bytes:
    """Return the contents of the file, at most MAX_BYTES + 1 bytes.

    Raises UsageError if it is no readable file.
    """
    if path.is_dir():
        raise UsageError(
            f"{path} is a directory",
            why="a directory is never scanned by itself",
            next_step=f"list the files ({path}/*.md), or add --all-prompts",
        )
    if not path.is_file():
        raise UsageError(
            f"there is no prompt file {path}",
            why="nothing lies at this path" if not path.exists() else "it is no regular file",
            next_step=f"correct the path{_guess(path)}; nothing was started",
        )
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(
            f"the prompt file {path} cannot be read",
            why=str(error.strerror),
            next_step="make it readable; nothing was started",
        ) from error


def _guess(path: Path) -> str:
    """Return the question for the Markdown file beside the path that is called most alike."""
    try:
        names = [one.name for one in path.parent.iterdir() if one.suffix == path.suffix]
    except OSError:
        return ""
    close = difflib.get_close_matches(path.name, sorted(names)[:MOST_GUESSED], n=1)
    return f" (did you mean {path.with_name(close[0])}?)" if close else ""
