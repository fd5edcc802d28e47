"""Makes the demo's repository from examples/demo and runs it.

Only the agent is simulated: it is a script that replays edits.
"""

from __future__ import annotations

import shlex
import shutil
import sys
import tempfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import click

from concertmaster.cli.finish import run_plan
from concertmaster.cli.options import json_option, setting_option
from concertmaster.errors import Error, UsageError
from concertmaster.git.repository import make_repository
from concertmaster.planning.build_plan import make_plan
from concertmaster.planning.checkout import PlanRequest
from concertmaster.sandbox.supervisor import Guard
from concertmaster.terminal.console import Console

CHECKOUT = Path(__file__).parents[3] / "examples" / "demo"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoRepository:
    """The folder of the demo and the request for its plan."""

    folder: Path
    asked: PlanRequest


def make_demo(folder: Path | None, *, parallel: str) -> DemoRepository:
    """Make a git repository with a project, its tests and prompts.

    `folder` is None for a new temporary folder. Raises UsageError if the folder is not empty.
    """
    material = _find_material()
    place = folder or Path(tempfile.mkdtemp(prefix="concertmaster-demo-"))
    if place.exists() and any(place.iterdir()):
        raise UsageError(
            f"{place} is not empty", next_step="name a folder that is, or does not exist yet"
        )
    no_litter = shutil.ignore_patterns("__pycache__")
    shutil.copytree(material / "project", place, dirs_exist_ok=True, ignore=no_litter)
    shutil.copytree(material / "prompts", place / "prompts", ignore=no_litter)
    make_repository(place, branch="main", message="Inkwell, receipts for a stationer's")
    agent = shlex.join([sys.executable, str(material / "agent.py")])
    return DemoRepository(
        folder=place,
        asked=PlanRequest(
            repository=place,
            prompts=tuple(sorted((place / "prompts").glob("*.md"))),
            options={"agent_command": agent, "parallel": parallel},
        ),
    )


def _find_material() -> Path:
    installed = Path(str(files("concertmaster"))) / "demo"
    return installed if installed.is_dir() else CHECKOUT


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), help="Where to make the repository.")
@setting_option("parallel", default="3", metavar="N", help="How many agents work at a time.")
@json_option
@click.pass_obj
def demo(console: Console, /, folder: Path | None, parallel: str, json: bool) -> int:
    """Show a whole run on a small repository that is made for it.

    The agent is a script that replays edits, no model; all else is real.
    """
    with Guard() as guard:
        made = make_demo(folder, parallel=parallel)
        console.line(f"a repository for the demo was made in {made.folder}")
        console.line("its agent is a script that replays edits, no model; all else is real")
        planned = make_plan(made.asked)
        if not json:
            console.show_plan(planned.plan)
        code = run_plan(console, planned, guard)
    history = planned.repository.history(planned.plan.base, planned.plan.target)
    for line in ("", f"what landed on main (git -C {made.folder} log --graph):", *history):
        console.line(line)
    return 0 if code == Error.exit_code else code  # one task of the demo is a culprit on purpose
