"""Defines the command `concertmaster execute`, the name that `run` had before."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from concertmaster.cli.run import run
from concertmaster.terminal.console import Console

_IGNORED = ("--parallel", "--conflict-check", "--smart-scheduling")
_FOLDER = "prompts"


@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.option("--tasks", default="", metavar='"A.md B.md"', help="The prompt files.")
@click.option("--all-prompts", is_flag=True, help="All prompt files in prompts/.")
@click.pass_context
def execute(context: click.Context, /, tasks: str, all_prompts: bool) -> int:
    """Do what `run` does; the older words are still understood.

    --parallel, --conflict-check and --smart-scheduling are always on. Other options are those of
    `run`. Without --tasks, a list of prompts is read from standard input.
    """
    console: Console = context.obj
    rest = [word for word in context.args if word not in _IGNORED]
    names = [_find(name) for name in shlex.split(tasks.replace(",", " "))]
    if all_prompts and not names:
        names = [_FOLDER, "--all-prompts"]
    elif not (names or sys.stdin.isatty() or any(word.endswith(".md") for word in rest)):
        names = ["-"]
    arguments = [*names, *rest]
    console.note(f"`execute` is called `run` now: concertmaster run {shlex.join(arguments)}")
    code = run.main(arguments, "concertmaster run", standalone_mode=False, obj=console)
    return code if isinstance(code, int) else 0


def _find(name: str) -> str:
    """Return the file that a name means: as it stands, with `.md`, or below prompts/."""
    named = name if name.endswith(".md") else f"{name}.md"
    below = f"{_FOLDER}/{named.lstrip('/')}"
    return next((path for path in (name, named, below) if Path(path).is_file()), named)
