"""Defines the command `concertmaster improve`."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import click

from concertmaster.cli.finish import run_home
from concertmaster.cli.improve_answer import IMPROVE_SCHEMA, ImprovedPrompt, read_improvement
from concertmaster.cli.options import given_settings, json_option, repo_option, setting_option
from concertmaster.cli.prompt_question import PromptAsker, PromptQuestion
from concertmaster.errors import Interrupted, UsageError
from concertmaster.files.atomic import write_atomically
from concertmaster.git.repository import Repository
from concertmaster.planning.checkout import PlanRequest
from concertmaster.prompts.files import name_prompt, read_prompt
from concertmaster.prompts.parser import parse_prompt
from concertmaster.report.summary import cost
from concertmaster.sandbox.supervisor import Guard
from concertmaster.terminal.console import Console


@click.command()
@click.argument("prompt", type=click.Path(path_type=Path, readable=False, dir_okay=False))
@repo_option
@click.option("--base", default="", metavar="REF", help="What the agent reads (default: HEAD).")
@setting_option("agent", help="Who improves it (default: claude).")
@setting_option("agent_command", help="A program of yours that improves it.")
@setting_option("agent_model")
@setting_option("timeout", help="The longest that the agent may take.")
@click.option("--yes", is_flag=True, help="Write the prompt without asking.")
@json_option
@click.pass_obj
def improve(console: Console, /, prompt: Path, *, yes: bool, json: bool, **given: Any) -> int:
    """Let an agent make a prompt more precise.

    It can only read. It names files, and says when the work is done. The new prompt is shown as a
    diff before it is written; nothing is written without a yes.
    """
    asked = PlanRequest(
        repository=given["repo"],
        prompts=(prompt,),
        base=given["base"],
        options=given_settings(given),
    )
    repository = Repository.open(asked.repository)
    data = read_prompt(prompt)
    parsed = parse_prompt(data, path=name_prompt(prompt, repository.root))
    old = data.decode("utf-8-sig")
    question = PromptQuestion(
        verb="improve",
        schema=IMPROVE_SCHEMA,
        read=partial(read_improvement, old=old, path=parsed.path),
    )
    try:
        console.note(f"an agent reads {prompt}; this may take some minutes")
        with Guard() as guard:
            asker = PromptAsker(asked=asked, repository=repository, home=run_home(), guard=guard)
            found, usage = asker.ask(parsed, data, question)
        lines = [*_diff(old, found.content, str(prompt))] if found.content else []
        for line in lines:
            console.line(line)
        written = _offer(prompt, data, found, can_ask=not json, yes=yes)
    except (KeyboardInterrupt, click.Abort) as error:
        again = "give the command again; nothing was written"
        raise Interrupted("interrupted", next_step=again) from error
    ending = [*_say_end(prompt, found, written=written), f"cost: {cost(usage)}" * bool(cost(usage))]
    document = {**asdict(found), "prompt": str(prompt), "written": written, "usage": asdict(usage)}
    console.result("\n".join(filter(None, ending)), document)
    return 0


def _diff(old: str, new: str, name: str) -> Iterator[str]:
    before, after = old.splitlines(), new.splitlines()
    yield from difflib.unified_diff(before, after, f"a/{name}", f"b/{name}", lineterm="")


def _offer(prompt: Path, data: bytes, found: ImprovedPrompt, *, can_ask: bool, yes: bool) -> bool:
    """Write the new prompt if the user agrees. Return whether it was written.

    Raises UsageError if the file has changed since the agent read it.
    """
    is_asked = can_ask and sys.stdin.isatty() and sys.stdout.isatty()
    if not found.content:
        return False
    if not (yes or (is_asked and click.confirm("write this prompt?"))):
        return False
    if prompt.read_bytes() != data:
        raise UsageError(
            f"{prompt} has changed since the agent read it",
            why="writing the new text would drop that change",
            next_step="give the command again; nothing was written",
        )
    write_atomically(prompt, found.content)
    return True


def _say_end(prompt: Path, found: ImprovedPrompt, *, written: bool) -> Iterator[str]:
    yield f"reason: {found.reason}" if found.reason else ""
    yield from (f"note: {note}" for note in found.notes)
    if not found.content:
        yield f"{prompt} stays as it is"
    else:
        yield f"wrote {prompt}" if written else "nothing was written; --yes writes without asking"
