"""Splits a prompt into prompt files, with an agent that can only read."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from concertmaster.cli.finish import run_home
from concertmaster.cli.options import given_settings, json_option, repo_option, setting_option
from concertmaster.cli.prompt_question import PromptAsker, PromptQuestion
from concertmaster.cli.split_answer import (
    LONGEST_PROMPT,
    SPLIT_SCHEMA,
    SplitAnswer,
    describe_part,
    read_split,
)
from concertmaster.engine.run_home import RunHome
from concertmaster.errors import Interrupted, UsageError
from concertmaster.files.add_files import add_files, check_folder
from concertmaster.git.repository import Repository
from concertmaster.model import Prompt, Usage
from concertmaster.planning.checkout import PlanRequest
from concertmaster.prompts.files import name_prompt, read_prompt
from concertmaster.prompts.parser import parse_prompt
from concertmaster.report.summary import cost
from concertmaster.sandbox.supervisor import Guard
from concertmaster.terminal.console import Console
from concertmaster.text.display import count

_BLOB = "prompt"
_HIDEOUT = ".split-"
_ENDING = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)
_LINE = 100
# Settings for the whole prompt; an agent cannot know which piece they are meant for.
_SETTINGS = ("needs", "check", "agent", "priority", "phases")
_NOBODY = "nothing was written: nobody can be asked here; --yes writes without asking"


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitResult:
    """The result of a split. `folder` is where the pieces would be written."""

    prompt: Path
    folder: Path
    repository: Path
    split: SplitAnswer
    usage: Usage

    @property
    def files(self) -> dict[str, bytes]:
        """The content to be written, by file name."""
        return {piece.file: piece.content.encode() for piece in self.split.pieces}

    @property
    def command(self) -> tuple[str, ...]:
        """The command that runs the pieces, () if there are none."""
        where = () if self.repository == Path() else ("--repo", str(self.repository))
        paths = (str(self.folder / piece.file) for piece in self.split.pieces)
        return ("concertmaster", "run", *where, *paths) if self.split.pieces else ()

    def drafts(self) -> Iterator[str]:
        """Yield every file with its whole content, then the needs and notes."""
        for piece in self.split.pieces:
            yield f"{self.folder / piece.file}:"
            yield from (f"    {line}" for line in describe_part(piece))
            yield ""
        for piece in self.split.pieces:
            needs = f"  (needs {', '.join(piece.needs)})" if piece.needs else ""
            yield f"{piece.file}: {piece.title}{needs}"
        yield from (f"note: {note}" for note in self.split.notes)

    def ending(self, *, written: bool, decided: bool) -> Iterator[str]:
        """Yield how the split ended and its cost. `decided`: the user chose whether to write."""
        if self.split.whole:
            yield f"{self.prompt} stays one task: {self.split.whole}"
        elif written:
            yield f"wrote {count(len(self.files), 'file')} to {self.folder}"
            yield f"{self.prompt} is unchanged; run the pieces instead of it:"
            yield from _command_lines(self.command)
        else:
            yield "nothing was written" if decided else _NOBODY
        if price := cost(self.usage):
            yield f"cost: {price}"
        if self.usage.input_tokens or self.usage.output_tokens:
            yield f"tokens: {self.usage.input_tokens:,} in, {self.usage.output_tokens:,} out"

    def document(self, *, written: bool) -> dict[str, Any]:
        """Return the result as a JSON document."""
        drafts = [
            {"path": str(self.folder / piece.file), **asdict(piece)} for piece in self.split.pieces
        ]
        return {
            "prompt": str(self.prompt),
            "folder": str(self.folder),
            "whole": self.split.whole,
            "drafts": drafts,
            "notes": list(self.split.notes),
            "written": written,
            "command": shlex.join(self.command),
            "usage": asdict(self.usage),
        }


def _command_lines(command: tuple[str, ...]) -> Iterator[str]:
    """Yield the command, on several lines if one would be too long."""
    line = shlex.join(command)
    if len(line) <= _LINE:
        yield f"  {line}"
        return
    words = [shlex.quote(word) for word in command[2:]]
    yield f"  {' '.join(command[:2])} \\"
    yield from (f"    {word} \\" for word in words[:-1])
    yield f"    {words[-1]}"


def split_prompt(
    asked: PlanRequest, home: RunHome, *, into: Path | None, guard: Guard
) -> SplitResult:
    """Let an agent split the one prompt of the request; write nothing.

    Raises UsageError or EnvironmentFault before an agent starts, Stopped at a usage limit, and
    Error if the agent failed or its answer cannot be read.
    """
    (path,) = asked.prompts
    folder = into or path.parent / path.stem
    check_folder(folder)
    repository = Repository.open(asked.repository)
    data = read_prompt(path)
    prompt = parse_prompt(data, path=name_prompt(path, repository.root))
    _check(prompt, path)
    question = PromptQuestion(
        verb="split", schema=SPLIT_SCHEMA, read=partial(read_split, opened=prompt.touches)
    )
    asker = PromptAsker(asked=asked, repository=repository, home=home, guard=guard)
    split, usage = asker.ask(prompt, data, question)
    notes = (*split.notes, *_leftovers(prompt, path)) if split.pieces else ()
    return SplitResult(
        prompt=path,
        folder=folder,
        repository=asked.repository,
        split=replace(split, notes=notes),
        usage=usage,
    )


def _check(prompt: Prompt, path: Path) -> None:
    if prompt.completed:
        raise UsageError(
            f"{path} is marked {prompt.completed}",
            why="what is done needs no pieces",
            next_step="take the mark out where there is work left; nothing was started",
        )
    if len(prompt.text) > LONGEST_PROMPT:
        raise UsageError(
            f"{path} is too long to be split by one answer",
            why=f"it has {len(prompt.text):,} characters, more than {LONGEST_PROMPT:,}",
            next_step="cut it in two by hand, and split both; nothing was started",
        )


def _leftovers(prompt: Prompt, path: Path) -> Iterator[str]:
    """Yield a note on the settings of the prompt, which no piece takes over."""
    names = [name for name in _SETTINGS if getattr(prompt, name)]
    if names:
        yield f"left at the top of {path}: {', '.join(names)}; add to the pieces what is theirs"


@click.command()
@click.argument("prompt", type=click.Path(path_type=Path, readable=False, dir_okay=False))
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Where the files go (default: beside PROMPT, in a folder of its name).",
)
@repo_option
@click.option("--base", default="", metavar="REF", help="What the agent reads (default: HEAD).")
@setting_option("agent", help="Who splits it (default: claude).")
@setting_option("agent_command", help="A program of yours that splits it.")
@setting_option("agent_model")
@setting_option("timeout", help="The longest that the agent may take.")
@click.option("--yes", is_flag=True, help="Write the files without asking.")
@json_option
@click.pass_obj
def split(
    console: Console, /, prompt: Path, into: Path | None, yes: bool, json: bool, **given: Any
) -> int:
    """Let an agent split a prompt that is a list of tasks.

    It can only read. Its prompt files, with `needs` where one builds on another, are shown before
    they are written. No file is written over, and PROMPT stays as it is.
    """
    asked = PlanRequest(
        repository=given["repo"],
        prompts=(prompt,),
        base=given["base"],
        options=given_settings(given),
    )
    try:
        console.note(f"an agent reads {prompt}; this may take some minutes")
        with Guard() as guard:
            found = split_prompt(asked, run_home(), into=into, guard=guard)
        return _offer(console, found, yes=yes, json=json)
    except (KeyboardInterrupt, click.Abort) as error:
        again = "give the command again; nothing was written"
        raise Interrupted("interrupted", next_step=again) from error


def _offer(console: Console, found: SplitResult, *, yes: bool, json: bool) -> int:
    """Show the files, and write them if the user agrees. Return the exit code."""
    for line in found.drafts():
        console.line(line)
    can_ask = not json and sys.stdin.isatty() and sys.stdout.isatty()
    written = False
    try:
        if found.files and (yes or (can_ask and click.confirm("write these files?"))):
            add_files(found.folder, found.files)
            written = True
    finally:
        ending = found.ending(written=written, decided=yes or can_ask)
        console.result("\n".join(ending), found.document(written=written))
    return 0
