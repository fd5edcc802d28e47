"""Defines the command `concertmaster plan`."""

from __future__ import annotations

from typing import Any

import click

from concertmaster.cli.options import choice, planning_options, read_request
from concertmaster.planning.build_plan import make_plan
from concertmaster.terminal.console import Console, PlanForm


@click.command()
@planning_options
@click.option(
    "--format",
    "form",
    type=choice(*PlanForm),
    default=PlanForm.TABLE.value,
    help="How the plan is shown (default: table).",
)
@click.option("--explain", nargs=2, metavar="A B", help="Why two tasks (or files) wait, or not.")
@click.pass_obj
def plan(console: Console, /, form: str, explain: tuple[str, str] | None, **given: Any) -> int:
    """Show what would run, in which order, and why; change nothing."""
    made = make_plan(read_request(given)).plan
    if explain:
        console.explain(made, explain[0], b=explain[1])
    else:
        console.show_plan(made, form=PlanForm(form), is_whole=True)
    return 0
