"""Defines the command `concertmaster resume`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from concertmaster.cli.clean import make_room
from concertmaster.cli.finish import finish, finish_run, run_home
from concertmaster.cli.options import json_option, repo_option, run_argument, setting_option
from concertmaster.engine import local_run as runs
from concertmaster.engine.find_run import find_open_run, find_run
from concertmaster.engine.prepare_agents import refuse_logged_out
from concertmaster.engine.recorded_run import read_run
from concertmaster.engine.run_home import RunHome
from concertmaster.events import RunResumed
from concertmaster.files import run_folder
from concertmaster.git.repository import Repository
from concertmaster.report.run_end import can_go_on
from concertmaster.report.summary import count_states
from concertmaster.run.state import RunState
from concertmaster.sandbox.supervisor import Guard
from concertmaster.terminal.console import Console


@click.command()
@run_argument
@repo_option
@setting_option("budget", help="The new budget of the whole run.")
@json_option
@click.pass_obj
def resume(console: Console, /, run: str, repo: Path, budget: float | None, json: bool) -> int:
    """Go on with a run that crashed or was stopped.

    Without a name that is the newest run, and never an older one.
    """
    repository = Repository.open(repo)
    folder = find_run(repository, run)
    found = read_run(folder)  # raises before anything changes if the run cannot be read
    # A process that was killed at the end may have left worktrees, which a resume removes.
    ended_well = run_folder.read_owner(folder) is None
    if ended_well and not can_go_on(found.state):
        console.note(f"run {folder.name} has ended; there is nothing to resume")
        # A run that its user has forgotten could do work that is out of date.
        older = find_open_run(repository, run)
        if older != folder:
            console.note(f"an older run can go on: concertmaster resume {older.name}")
        return finish(console, found, repository=repository)
    console.note(f"resuming run {folder.name}: {count_states(found.state.tasks.counts)}")
    home = run_home()
    for line in make_room(repository, home):
        console.note(line)
    with Guard() as guard:
        _refuse_logged_out(found.state, home, guard, repository)
        with console.progress() as progress:
            ended = runs.resume_run(
                runs.LocalRun(repository=repository, folder=folder),
                home,
                progress=progress,
                guard=guard,
                opening=RunResumed(budget_usd=budget),
            )
    return finish_run(console, ended, repository)


def _refuse_logged_out(
    state: RunState, home: RunHome, guard: Guard, repository: Repository
) -> None:
    """Raise EnvironmentFault if an agent that still has work says that it is not logged in."""
    plan = state.plan
    open_tasks = tuple(task for task in plan.tasks if not state.tasks[task.id].state.is_over)
    refuse_logged_out(replace(plan, tasks=open_tasks), home, guard, checkout=repository.root)
