"""Defines the options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from concertmaster.planning.checkout import PlanRequest
from concertmaster.settings.declarations import SETTINGS, settings_of
from concertmaster.settings.setting import Kind, Place, Setting


def _with(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a decorator that adds all the options, in their order."""

    def apply(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return apply


# What the help shows for a value.
_METAVARS = {
    Kind.COMMAND: "CMD",
    Kind.NAME: "NAME",
    Kind.FOLDER: "FOLDER",
    Kind.MODEL: "NAME",
    Kind.BRANCH: "BRANCH",
    Kind.FLAG_OR_BRANCH: "yes|no|BRANCH",
    Kind.LIST: "WORD,...",
    Kind.NUMBER: "N",
    Kind.SLOTS: "N|auto",
    Kind.USD: "USD",
    Kind.DURATION: "45m",
    Kind.PHASES: "full|lean|NAME,...",
}


def setting_option(name: str, **changes: Any) -> Callable[[Any], Any]:
    """Return the option of a setting as it is declared, but for what `changes` gives click."""
    return _declare(SETTINGS[name], **changes)


def _declare(setting: Setting, **changes: Any) -> Callable[[Any], Any]:
    types: Mapping[Kind, Any] = {
        Kind.USD: float,
        Kind.CHOICE: click.Choice([str(word) for word in setting.offered or setting.choices]),
    }
    if setting.kind is Kind.FLAG:
        usual: dict[str, Any] = {"is_flag": True, "default": None, "help": setting.help}
        return click.option(setting.option, setting.name, **{**usual, **changes})
    usual = {"metavar": _METAVARS.get(setting.kind), "help": setting.help}
    return click.option(
        setting.option, setting.name, **{**usual, "type": types.get(setting.kind), **changes}
    )


def given_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings among the values that click gave, without those that nobody set."""
    known = settings_of(Place.OPTION)  # others may be called like an argument
    return {
        name: value
        for name, value in given.items()
        if name in known and value is not None
        if known[name].kind is not Kind.FLAG or value
    }


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
try_option = click.option("--no-try", is_flag=True, help="Do not run setup and check.")


def _complete_runs(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from concertmaster.cli.run_task import complete_runs  # noqa: PLC0415  slow to load

    return complete_runs(context, parameter, incomplete)


run_argument = click.argument("run", required=False, default="", shell_complete=_complete_runs)
setting_options = _with(*map(_declare, settings_of(Place.OPTION).values()))
planning_options = _with(
    click.argument("prompts", nargs=-1, type=click.Path(path_type=Path, readable=False)),
    repo_option,
    click.option("--base", default="", metavar="REF", help="Where tasks start (default: target)."),
    setting_options,
    click.option("--all-prompts", is_flag=True, help="Take all *.md files of listed directories."),
    json_option,
)


def read_request(given: dict[str, Any]) -> PlanRequest:
    """Return the request for a plan that the `planning_options` make.

    The prompt `-` stands for the list on standard input. Raises UsageError.
    """
    prompts: tuple[Path, ...] = given["prompts"]
    notes: tuple[str, ...] = ()
    if Path("-") in prompts:
        from concertmaster.cli.listed_prompts import expand_standard_input  # noqa: PLC0415  slow

        prompts, notes = expand_standard_input(prompts)
    return PlanRequest(
        repository=given["repo"],
        prompts=prompts,
        notes=notes,
        base=given["base"],
        all_prompts=given["all_prompts"],
        options=given_settings(given),
    )
