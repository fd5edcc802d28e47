"""Reads a list of prompts from standard input."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from concertmaster.errors import UsageError
from concertmaster.github.prompt_list import read_prompt_list
from concertmaster.text.display import display

STANDARD_INPUT = Path("-")
_MOST_BYTES = 1 << 20
_MOST_TOLD = 10


def expand_standard_input(prompts: Sequence[Path]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Return the prompts with those of the list on standard input in place of `-`, and notes.

    The list is Markdown, as in an issue: bullets, or plain lines below "Execute these specific
    prompts in parallel:". Raises UsageError if it names no prompt or a line cannot be used.
    """
    if STANDARD_INPUT not in prompts:
        return tuple(prompts), ()
    found = read_prompt_list(sys.stdin.buffer.read(_MOST_BYTES).decode(errors="replace"))
    for problem in found.problems[:1]:
        raise UsageError(
            f"line {problem.line} of the list cannot be used: {display(problem.written)}",
            why=problem.why,
            next_step=f"{problem.fix} Nothing was started",
        )
    if not found.paths:
        nothing = "it has no bullet that names an .md file"
        raise UsageError(
            "the list on standard input names no prompt that can be taken",
            why=" ".join(found.notes[:_MOST_TOLD]) or nothing,
            next_step="write one bullet for each, for example `- prompts/add-login.md`",
        )
    listed = [Path(_find(path)) for path in found.paths]
    others = [path for path in prompts if path != STANDARD_INPUT]
    return (*others, *listed), found.notes


def _find(path: str) -> str:
    below = f"prompts/{path}"
    return below if not Path(path).exists() and Path(below).is_file() else path
