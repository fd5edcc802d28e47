"""Defines the command `concertmaster run`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from concertmaster.cli.finish import run_home, run_plan
from concertmaster.cli.options import planning_options, read_request
from concertmaster.engine import local_run as runs
from concertmaster.engine.prepare_agents import prepare_agents, refuse_logged_out
from concertmaster.planning.build_plan import make_plan
from concertmaster.sandbox.supervisor import Guard
from concertmaster.terminal.console import Console


@click.command()
@planning_options
@click.option("--dry-run", is_flag=True, help="Show the plan and stop.")
@click.pass_obj
def run(console: Console, /, dry_run: bool, json: bool, **given: Any) -> int:
    """Plan the prompts, run an agent for each, land what passes.

    What is not given here is read from concertmaster.yml of the base commit.
    """
    if dry_run:
        console.show_plan(make_plan(read_request(given)).plan, is_whole=True)
        return 0
    planned = make_plan(read_request(given))
    with Guard() as guard:
        home = run_home()
        agents, notes = prepare_agents(planned.plan, home, guard)
        refuse_logged_out(planned.plan, home, guard, checkout=planned.repository.root)
        planned = replace(planned, plan=runs.add_notes(planned.plan, notes))
        if not json:
            console.show_plan(planned.plan)
        return run_plan(console, planned, guard, agents=agents)
