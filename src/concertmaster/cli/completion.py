"""Defines the command `concertmaster completion`."""

from __future__ import annotations

from importlib import import_module

import click
from click.shell_completion import get_completion_class

from concertmaster.errors import UsageError
from concertmaster.terminal.console import Console

VARIABLE = "_CONCERTMASTER_COMPLETE"
_WAYS = {
    "bash": "concertmaster completion bash >> ~/.bash_completion",
    "zsh": "concertmaster completion zsh > ~/.zfunc/_concertmaster   # a folder of $fpath",
    "fish": "concertmaster completion fish > ~/.config/fish/completions/concertmaster.fish",
}


@click.command(epilog="Install it: " + "; ".join(_WAYS.values()))
@click.argument("shell", type=click.Choice([*_WAYS]))
@click.pass_obj
def completion(console: Console, /, shell: str) -> int:
    """Print the script that completes names in a shell.

    It completes commands, runs and tasks.
    """
    found = get_completion_class(shell)
    if found is None:
        raise UsageError(f"there is no completion for {shell}", next_step="name bash, zsh or fish")
    commands = import_module("concertmaster.cli.main").commands
    script = found(commands, {}, "concertmaster", VARIABLE)
    console.script(found.source_template % script.source_vars())
    return 0
