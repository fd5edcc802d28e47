"""Starts planned runs and ends commands with the report."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from concertmaster.agents.protocol import Agent
from concertmaster.cli.clean import make_room
from concertmaster.cli.memory import remember_run
from concertmaster.engine import local_run as runs
from concertmaster.engine.page_material import collect_material
from concertmaster.engine.recorded_run import RecordedRun, current_report, write_report
from concertmaster.engine.run_home import RunHome
from concertmaster.engine.trial import Trial, try_commands
from concertmaster.files import run_folder
from concertmaster.git.repository import Repository
from concertmaster.model import Plan
from concertmaster.planning.build_plan import Planned
from concertmaster.planning.checkout import Checkout
from concertmaster.planning.run_settings import draft_plan
from concertmaster.report.html import render_report
from concertmaster.report.run_end import exit_code
from concertmaster.sandbox.supervisor import Guard
from concertmaster.settings.process import find_cache, read_environment
from concertmaster.terminal.console import Console
from concertmaster.worktrees.place import AttemptsPlace, choose_place


def run_plan(
    console: Console,
    planned: Planned,
    guard: Guard,
    *,
    agents: Mapping[str, Agent] | None = None,
) -> int:
    """Start the run and show its progress and report. Return the exit code.

    `agents` are those of the plan if they have been prepared.
    """
    home = run_home(find_place(planned.repository, planned.plan).folder)
    for line in make_room(planned.repository, home):
        console.note(line)
    with console.progress() as progress:
        run = runs.start_run(planned, home, progress=progress, guard=guard, agents=agents)
    return finish_run(console, run, planned.repository)


def finish_run(console: Console, run: RecordedRun, repository: Repository) -> int:
    """Write the run into Memory.md if that is wanted, and show its report; return the exit code."""
    if why := remember_run(repository, run):
        console.note(why)
    return finish(console, run)


def try_checkout(checkout: Checkout, guard: Guard) -> Trial:
    """Try the setup and the check of the checkout's commit. Raises UsageError without a check."""
    plan = replace(draft_plan(checkout, run="", requester=""), run=f"trial-{secrets.token_hex(4)}")
    home = run_home(find_place(checkout.repository, plan).folder)
    return try_commands(plan, checkout.repository, home, guard=guard)


def run_home(attempts: Path | None = None) -> RunHome:
    """Return the environment of this user and the folder of attempts.

    Without `attempts` it is the cache folder of this user, unless the run has recorded another.
    """
    return RunHome(cache=attempts or find_cache(), environment=read_environment())


def find_place(repository: Repository, plan: Plan) -> AttemptsPlace:
    """Return where the attempts of a new run go. Raises UsageError."""
    wanted = plan.settings.worktrees
    return choose_place(
        *(repository.root, repository.name),
        wanted=wanted,
        home=Path.home(),
        cache=find_cache(),
    )


def finish(
    console: Console,
    run: RecordedRun,
    *,
    is_full: bool = False,
    repository: Repository | None = None,
) -> int:
    """Write the report to the run's folder and show it. Return the exit code.

    With the repository, results that the user has merged by hand have landed.
    """
    found = current_report(run, repository) if repository else run.report
    write_report(run.folder, render_report(found, collect_material(run)), found)
    running = run_folder.is_locked(run.folder)
    console.show_report(found, run.folder, is_full=is_full, running=running)
    return exit_code(found.ended)
