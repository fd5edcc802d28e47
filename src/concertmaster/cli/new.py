"""Defines the command `concertmaster new`."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from concertmaster.cli.options import json_option
from concertmaster.errors import UsageError
from concertmaster.files.add_files import add_files
from concertmaster.prompts.parser import as_slug, as_title, write_front_matter
from concertmaster.templates import load_template
from concertmaster.terminal.console import Console


@click.command()
@click.argument("title")
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("prompts"),
    metavar="FOLDER",
    help="Where the file goes (default: prompts).",
)
@click.option("--needs", multiple=True, metavar="FILE", help="A prompt that must land first.")
@click.option("--touches", multiple=True, metavar="PATH", help="A file that it will change.")
@json_option
@click.pass_obj
def new(console: Console, /, title: str, into: Path, json: bool, **given: tuple[str, ...]) -> int:
    """Write a prompt file with this title, to be filled in."""
    line, slug = as_title(title), as_slug(title)
    if not slug:
        raise UsageError(
            f"{title!r} makes no file name",
            why="a file name is made of the letters and digits of the title",
            next_step="give a title with some letters, as in `concertmaster new 'Add a login'`",
        )
    lists = {key: list(values) for key, values in given.items() if values}
    front = write_front_matter(lists) if lists else ""
    text = load_template("new-prompt.md").fill(title=line)
    path = into / f"{slug}.md"
    add_files(into, {path.name: f"{front}{text}".encode()}, way_out="give another title")
    command = f"concertmaster plan {shlex.quote(str(path))}"
    words = f"wrote {path}\nnext: fill it in, then look at the plan\n      {command}"
    console.result(words, {"path": str(path), "command": command})
    return 0
