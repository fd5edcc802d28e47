"""The commands, and the one place where an error becomes a message and an exit code."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Any

import click

from concertmaster import __version__
from concertmaster.adapters import journal
from concertmaster.adapters.console import Console, PlanForm
from concertmaster.adapters.folder import add_files
from concertmaster.adapters.page import render_report
from concertmaster.adapters.process import Guard
from concertmaster.adapters.repository import Repository
from concertmaster.core.ending import can_go_on
from concertmaster.core.model import LandingMode
from concertmaster.core.report import exit_code
from concertmaster.engine import run as runs
from concertmaster.engine.branches import land_branches, plan_branches
from concertmaster.engine.cleaning import clean_runs
from concertmaster.engine.demonstration import make_demo
from concertmaster.engine.examination import examine
from concertmaster.engine.groundwork import lay, plan_groundwork
from concertmaster.engine.outset import Asked
from concertmaster.engine.planning import Planned, make_plan
from concertmaster.engine.splitting import Splitting, split_prompt
from concertmaster.errors import EnvironmentFault, Error, Interrupted, UsageError
from concertmaster.settings import (
    drop_git_environment,
    drop_token,
    find_cache,
    load_access_settings,
    load_action_settings,
    read_environment,
)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit code (errors.py tells what each means)."""
    drop_git_environment()
    arguments = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    console = Console(
        sys.stdout,
        sys.stderr,
        terminal=sys.stderr.isatty(),
        json="--json" in arguments,
    )
    try:
        code = commands.main(arguments, "concertmaster", standalone_mode=False, obj=console)
    except click.ClickException as error:
        context = error.ctx if isinstance(error, click.UsageError) else None
        where = context.command_path if context else "concertmaster"
        wrong = UsageError(error.format_message(), next_step=f"see `{where} --help`")
        console.error(wrong)
        return wrong.exit_code
    except (KeyboardInterrupt, click.Abort):
        console.error(Interrupted("interrupted", next_step="see `concertmaster status`"))
        return Interrupted.exit_code
    except Error as error:
        console.error(error)
        return error.exit_code
    except OSError as error:
        fault = EnvironmentFault(str(error), next_step="mend this; `resume` goes on with a run")
        console.error(fault)
        return fault.exit_code
    return code if isinstance(code, int) else 0


def _with(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def apply(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return apply


def _choice(*words: StrEnum) -> click.Choice[str]:
    """By value: of an enum, click would offer the names of its members."""
    return click.Choice([word.value for word in words])


_json = click.option("--json", is_flag=True, help="Print one JSON document and nothing else.")
_repo = click.option(
    "--repo",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="The repository to work on (default: the one of the current directory).",
)
_run = click.argument("run", required=False, default="")
_planning = _with(
    click.argument("prompts", nargs=-1, type=click.Path(path_type=Path, readable=False)),
    _repo,
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
        type=_choice(LandingMode.MERGE, LandingMode.BRANCHES, LandingMode.NONE),
        help="How results land (default: merge).",
    ),
    click.option("--phases", metavar="full|lean|NAME,...", help="What a task goes through."),
    click.option("--budget", type=float, metavar="USD", help="Begin no phase beyond it."),
    click.option("--timeout", metavar="45m", help="The longest that an agent may work."),
    click.option("--all-prompts", is_flag=True, help="Take all *.md files of listed directories."),
    _json,
)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 all landed, 1 some tasks did not, 2 usage, 3 environment, "
    "4 stopped by budget or limit, 130 interrupted.",
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def commands() -> None:
    """Hand over a list of prompt files, get landed commits back.

    \b
    concertmaster demo                                      a look, without any agent
    concertmaster plan prompts/*.md --check 'pytest -q'     what would run, and why
    concertmaster run prompts/*.md --check 'pytest -q'      do it
    """


@commands.command()
@_planning
@click.option("--dry-run", is_flag=True, help="Show the plan and stop.")
@click.pass_obj
def run(console: Console, /, dry_run: bool, json: bool, **given: Any) -> int:
    """Plan the prompts, run an agent for each, land what passes.

    What is not given here is read from concertmaster.yml of the base commit.
    """
    if dry_run:
        console.show_plan(make_plan(_ask(given)).plan)
        return 0
    with Guard() as guard:
        planned = make_plan(_ask(given))
        runs.find_agents(planned.plan, _home())
        if not json:
            console.show_plan(planned.plan)
        return _run_plan(console, planned, guard)


def _run_plan(console: Console, planned: Planned, guard: Guard) -> int:
    with console.progress() as progress:
        folder = runs.start(planned, _home(), progress=progress, guard=guard)
    return _end(console, folder)


@commands.command()
@_planning
@click.option(
    "--format",
    "form",
    type=_choice(*PlanForm),
    default=PlanForm.TABLE.value,
    help="How the plan is shown (default: table).",
)
@click.option("--explain", nargs=2, metavar="A B", help="Why two tasks (or files) wait, or not.")
@click.pass_obj
def plan(console: Console, /, form: str, explain: tuple[str, str] | None, **given: Any) -> int:
    """Show what would run, in which order, and why; change nothing."""
    made = make_plan(_ask(given)).plan
    if explain:
        console.explain(made, explain[0], b=explain[1])
    else:
        console.show_plan(made, form=PlanForm(form))
    return 0


def _ask(given: dict[str, Any]) -> Asked:
    names = (
        "target agent agent_command agent_model parallel setup check landing phases budget timeout"
    ).split()
    return Asked(
        repository=given["repo"],
        prompts=given["prompts"],
        base=given["base"],
        all_prompts=given["all_prompts"],
        options={name: given[name] for name in names if given[name] is not None},
    )


@commands.command()
@click.argument("prompt", type=click.Path(path_type=Path, readable=False, dir_okay=False))
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Where the files go (default: beside PROMPT, in a folder of its name).",
)
@_repo
@click.option("--base", default="", metavar="REF", help="What the agent reads (default: HEAD).")
@click.option("--agent", metavar="NAME", help="Who splits it (default: claude).")
@click.option("--agent-command", metavar="CMD", help="A program of yours that splits it.")
@click.option("--agent-model", metavar="NAME", help="The model (default: as the agent is set).")
@click.option("--timeout", metavar="45m", help="The longest that the agent may take.")
@click.option("--yes", is_flag=True, help="Write the files without asking.")
@_json
@click.pass_obj
def split(
    console: Console, /, prompt: Path, into: Path | None, yes: bool, json: bool, **given: Any
) -> int:
    """Let an agent split a prompt that is a list of tasks.

    It can only read. Its prompt files, with `needs` where one builds on another, are shown before
    they are written. No file is written over, and PROMPT stays as it is.
    """
    names = ("agent", "agent_command", "agent_model", "timeout")
    options = {name: given[name] for name in names if given[name]}
    asked = Asked(repository=given["repo"], prompts=(prompt,), base=given["base"], options=options)
    try:
        console.note(f"an agent reads {prompt}; this may take some minutes")
        with Guard() as guard:
            found = split_prompt(asked, _home(), into=into, guard=guard)
        return _offer(console, found, yes=yes, json=json)
    except (KeyboardInterrupt, click.Abort) as error:
        again = "give the command again; nothing was written"
        raise Interrupted("interrupted", next_step=again) from error


def _offer(console: Console, found: Splitting, *, yes: bool, json: bool) -> int:
    """Show the files, and write them if that is wanted."""
    for line in found.drafts():
        console.line(line)
    can_ask = not json and sys.stdin.isatty() and sys.stdout.isatty()
    written = False
    try:
        if found.files and (yes or (can_ask and click.confirm("write these files?"))):
            add_files(found.folder, found.files)
            written = True
    finally:
        ending = found.ending(written=written, decided=yes or can_ask)
        console.result("\n".join(ending), found.document(written=written))
    return 0


@commands.command()
@click.argument("branches", metavar="BRANCH...", nargs=-1, required=True)
@_repo
@click.option("--target", metavar="BRANCH", help="Where they land (default: this branch).")
@click.option("--setup", metavar="CMD", help="Makes a fresh worktree usable, e.g. 'uv sync'.")
@click.option("--check", metavar="CMD", help="What must pass, e.g. 'pytest -q'.")
@_json
@click.pass_obj
def land(console: Console, /, branches: tuple[str, ...], json: bool, **given: Any) -> int:
    """Land branches that exist already, as `run` lands its results.

    They are merged and checked together. What conflicts or breaks the check is left out, and its
    branch stays as it is. Remote-tracking branches such as origin/x will do; no agent runs.
    """
    options = {
        name: given[name] for name in ("target", "setup", "check") if given[name] is not None
    }
    asked = Asked(repository=given["repo"], prompts=(), options=options)
    with Guard() as guard:
        planned = plan_branches(asked, branches)
        for note in planned.plan.notes:
            console.note(note)
        with console.progress() as progress:
            folder = land_branches(planned, _home(), progress=progress, guard=guard)
    return _end(console, folder)


@commands.command()
@_run
@_repo
@click.option("--budget", type=float, metavar="USD", help="The new budget of the whole run.")
@_json
@click.pass_obj
def resume(console: Console, /, run: str, repo: Path, budget: float | None, json: bool) -> int:
    """Go on with a run that crashed, was interrupted, or was stopped."""
    repository = Repository.open(repo)
    folder = runs.find_open_run(repository, run)
    runs.look(folder)  # a run that cannot be read is left as it is
    with Guard() as guard, console.progress() as progress:
        runs.resume(folder, repository, _home(), progress=progress, guard=guard, budget_usd=budget)
    return _end(console, folder)


def _home() -> runs.Home:
    return runs.Home(cache=find_cache(), environment=read_environment())


def _end(console: Console, folder: Path, *, is_full: bool = False) -> int:
    """Write and show the report; its exit code."""
    found = runs.report(folder)
    runs.write_report(folder, render_report(found), found)
    running = journal.is_held(folder)
    console.show_report(found, folder, is_full=is_full, running=running)
    return exit_code(found)


@commands.command()
@_run
@_repo
@_json
@click.pass_obj
def status(console: Console, /, run: str, repo: Path, json: bool) -> int:
    """The runs of this repository, or how one of them stands."""
    repository = Repository.open(repo)
    if run:
        folder = runs.find_run(repository, run)
        console.show_status(runs.report(folder), folder, running=journal.is_held(folder))
        return 0
    folders = journal.list_runs(runs.runs_folder(repository))
    console.show_runs([(runs.report(folder), journal.is_held(folder)) for folder in folders])
    return 0


@commands.command()
@_run
@_repo
@_json
@click.pass_obj
def report(console: Console, /, run: str, repo: Path, json: bool) -> int:
    """Write and show the report of a run (default: the newest)."""
    return _end(console, runs.find_run(Repository.open(repo), run), is_full=True)


@commands.command()
@_run
@_repo
@_json
@click.pass_obj
def cancel(console: Console, /, run: str, repo: Path, json: bool) -> int:
    """End a run: stop its agents, land nothing more, keep all work."""
    repository = Repository.open(repo)
    folder = runs.find_open_run(repository, run)
    state, _ = runs.look(folder)
    if not can_go_on(state):
        words = "had ended already"
    elif (owner := journal.read_owner(folder)) and journal.is_held(folder):
        os.kill(owner, signal.SIGTERM)
        words = f"is being cancelled by process {owner}, which owns it"
    else:
        with Guard() as guard, console.progress() as progress:
            runs.resume(folder, repository, _home(), progress=progress, guard=guard, cancel=True)
        words = "is cancelled"
    console.result(f"run {folder.name} {words}", {"run": folder.name, "answer": words})
    return 0


@commands.command()
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
@_json
@click.pass_obj
def watch(
    console: Console, /, *, issue: str, repo: str, interval: float, once: bool, json: bool
) -> int:
    """Watch a run on GitHub until it is over.

    ISSUE is its parent, by number or address. The run is over when the parent or all children
    are closed. Exits with 0 when every task has landed by then, else with 1. Needs GITHUB_TOKEN
    or GH_TOKEN, which may read issues and actions.
    """
    # Its library takes longer to load than most commands take to answer.
    from concertmaster.engine.watching import Lookout, find_issue  # noqa: PLC0415

    access = load_access_settings()
    found = find_issue(issue, repository=repo, folder=Path(), server=access.server_url)
    lookout = Lookout(issue=found, access=access, console=console)
    view = lookout.look() if once or json else lookout.stay(interval_seconds=interval)
    console.show_view(view, now=lookout.clock.now())
    return 0 if view.has_landed else Error.exit_code


@commands.command()
@_repo
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@_json
@click.pass_obj
def clean(console: Console, /, repo: Path, dry_run: bool, json: bool) -> int:
    """Remove what ended runs left, but nothing that is not saved.

    A run stays that is going on, that can be resumed, or whose work lies nowhere else.
    """
    found = clean_runs(Repository.open(repo), cache=find_cache(), dry_run=dry_run)
    console.result("\n".join(found.sentences(dry_run=dry_run)), asdict(found))
    return 0


@commands.command()
@_repo
@click.option("--setup", metavar="CMD", help="Makes a fresh worktree usable (default: found).")
@click.option("--check", metavar="CMD", help="What must pass before anything lands.")
@click.option("--github", is_flag=True, help="Also the workflow, and a form for issues.")
@_json
@click.pass_obj
def init(console: Console, /, repo: Path, github: bool, json: bool, **given: str | None) -> int:
    """Write concertmaster.yml, with the check and setup that are found.

    No file is written over and nothing is committed; what remains to be done is told.
    """
    options = {name: value for name, value in given.items() if value is not None}
    asked = Asked(repository=repo, prompts=(), options=options)
    groundwork = plan_groundwork(asked, github=github)
    lay(groundwork)
    console.result("\n".join(groundwork.sentences()), groundwork.document())
    return 0


@commands.command()
@_repo
@_json
@click.pass_obj
def doctor(console: Console, /, repo: Path, json: bool) -> int:
    """Say whether this machine is fit for a run, and what is missing."""
    found = examine(repo, cache=find_cache(), environment=read_environment())
    console.result("\n".join(finding.sentence() for finding in found), [*map(asdict, found)])
    unfit = any(finding.is_needed and not finding.is_fine for finding in found)
    return EnvironmentFault.exit_code if unfit else 0


@commands.command()
@click.option("--folder", type=click.Path(path_type=Path), help="Where to make the repository.")
@click.option("--parallel", default="3", metavar="N", help="How many agents work at a time.")
@_json
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
        code = _run_plan(console, planned, guard)
    history = planned.repository.history(planned.plan.base, planned.plan.target)
    for line in ("", f"what landed on main (git -C {made.folder} log --graph):", *history):
        console.line(line)
    return 0 if code == Error.exit_code else code  # one task is a culprit on purpose


_AGAIN = "run the job again, or write `/orchestrate retry` on the issue of the run"
_JOBS = ("plan", "work", "verify", "finalize", "control", "run")


@commands.command(hidden=True)
@click.argument("job", type=click.Choice(_JOBS))
@click.pass_obj
def action(console: Console, /, job: str) -> int:
    """One job of the workflow, inside of GitHub Actions."""
    # The libraries that speak to GitHub are slow to load, and no other command needs them.
    from concertmaster.engine.actions import JOBS  # noqa: PLC0415
    from concertmaster.engine.job import Job  # noqa: PLC0415

    settings = load_action_settings()
    drop_token()
    try:
        return JOBS[job](Job(settings=settings, console=console, environment=read_environment()))
    except (Interrupted, KeyboardInterrupt) as stop:
        raise Interrupted("interrupted", next_step=_AGAIN) from stop
    except OSError as error:
        raise EnvironmentFault(str(error), next_step=f"mend this; {_AGAIN}") from error
