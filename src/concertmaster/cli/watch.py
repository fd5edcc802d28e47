"""Defines the command `concertmaster watch`."""

from __future__ import annotations

from pathlib import Path

import click

from concertmaster.cli.options import json_option
from concertmaster.errors import Error
from concertmaster.terminal.console import Console


@click.command()
@click.argument("issue")
@click.option("--repo", metavar="OWNER/NAME", default="", help="Of the issue (default: origin's).")
@click.option(
    "--interval",
    type=click.FloatRange(min=1, max=3600),
    default=10.0,
    metavar="SECONDS",
    help="Between two looks; more, to a minute, while nothing changes (default: 10).",
)
@click.option("--once", is_flag=True, help="Look once and stop; so does --json.")
@json_option
@click.pass_obj
def watch(
    console: Console, /, *, issue: str, repo: str, interval: float, once: bool, json: bool
) -> int:
    """Watch a run on GitHub until it is over.

    ISSUE is its parent, by number or address. The run is over when the parent or all children
    are closed. Exits with 0 when every task has landed by then, else with 1. Needs GITHUB_TOKEN
    or GH_TOKEN, which may read issues and actions.
    """
    # Their libraries take longer to load than most commands take to run.
    from concertmaster.settings.access import load_access_settings  # noqa: PLC0415
    from concertmaster.watch.follow import RunWatcher, find_issue  # noqa: PLC0415

    access = load_access_settings()
    found = find_issue(issue, repository=repo, folder=Path(), server=access.server_url)
    watcher = RunWatcher(issue=found, access=access, console=console)
    view = watcher.look() if once or json else watcher.stay(interval_seconds=interval)
    console.show_view(view, now=watcher.clock.now())
    return 0 if view.has_landed else Error.exit_code
