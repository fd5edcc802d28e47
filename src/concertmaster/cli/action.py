"""Defines the command `concertmaster action`, which runs one job of the workflow."""

from __future__ import annotations

import click

from concertmaster.errors import EnvironmentFault, Interrupted
from concertmaster.settings.agent_variables import read_agent_variables
from concertmaster.settings.process import drop_token, read_environment
from concertmaster.terminal.console import Console

_AGAIN = "run the job again, or write `/orchestrate retry` on the issue of the run"
_JOBS = ("plan", "work", "verify", "finalize", "control", "run")


@click.command(hidden=True)
@click.argument("job", type=click.Choice(_JOBS))
@click.pass_obj
def action(console: Console, /, job: str) -> int:
    """One job of the workflow, inside of GitHub Actions."""
    # The GitHub libraries are slow to load, and no other command needs them.
    from concertmaster.action.job import Job  # noqa: PLC0415
    from concertmaster.action.registry import JOBS  # noqa: PLC0415
    from concertmaster.settings.action_inputs import load_action_settings  # noqa: PLC0415

    settings, given = load_action_settings(), read_agent_variables(read_environment())
    drop_token()
    try:
        return JOBS[job](
            Job(
                settings=settings,
                console=console,
                environment=given.added_to(read_environment()),
                agent_variables=given,
            )
        )
    except (Interrupted, KeyboardInterrupt) as stop:
        raise Interrupted("interrupted", next_step=_AGAIN) from stop
    except OSError as error:
        raise EnvironmentFault(str(error), next_step=f"mend this; {_AGAIN}") from error
