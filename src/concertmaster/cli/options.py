"""Defines the options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

import click

from concertmaster.model import LandingMode
from concertmaster.planning.run_settings import PlanRequest


def _with(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a decorator that adds all the options, in their order."""

    def apply(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return apply


def choice(*words: StrEnum) -> click.Choice[str]:
    """Return a choice between the values of the words.

    Given an enum, click would offer the names of its members instead.
    """
    return click.Choice([word.value for word in words])


json_option = click.option("--json", is_flag=True, help="Print one JSON document and nothing else.")
repo_option = click.option(
    "--repo",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="The repository to work on (default: the one of the current directory).",
)
run_argument = click.argument("run", required=False, default="")
planning_options = _with(
    click.argument("prompts", nargs=-1, type=click.Path(path_type=Path, readable=False)),
    repo_option,
    click.option("--base", default="", metavar="REF", help="Where tasks start (default: target)."),
    click.option("--target", metavar="BRANCH", help="Where results land (default: this branch)."),
    click.option("--agent", metavar="NAME", help="Who does the work (default: claude)."),
    click.option("--agent-command", metavar="CMD", help="A program of yours that does the work."),
    click.option("--agent-model", metavar="NAME", help="The model (default: as the agent is set)."),
    click.option("--parallel", metavar="N|auto", help="How many agents work at the same time."),
    click.option("--setup", metavar="CMD", help="Makes a fresh worktree usable, e.g. 'uv sync'."),
    click.option("--check", metavar="CMD", help="What must pass, e.g. 'pytest -q'."),
    click.option(
        "--landing",
        type=choice(LandingMode.MERGE, LandingMode.BRANCHES, LandingMode.NONE),
        help="How results land (default: merge).",
    ),
    click.option("--phases", metavar="full|lean|NAME,...", help="What a task goes through."),
    click.option("--budget", type=float, metavar="USD", help="Begin no phase beyond it."),
    click.option("--timeout", metavar="45m", help="The longest that an agent may work."),
    click.option("--all-prompts", is_flag=True, help="Take all *.md files of listed directories."),
    json_option,
)


def read_request(given: dict[str, Any]) -> PlanRequest:
    """Return the request for a plan that the `planning_options` make."""
    names = (
        "target agent agent_command agent_model parallel setup check landing phases budget timeout"
    ).split()
    return PlanRequest(
        repository=given["repo"],
        prompts=given["prompts"],
        base=given["base"],
        all_prompts=given["all_prompts"],
        options={name: given[name] for name in names if given[name] is not None},
    )
