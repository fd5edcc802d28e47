"""Starts, resumes and reports runs on this machine, and finds their folders."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from concertmaster.agents.protocol import Agent
from concertmaster.agents.registry import find_agent
from concertmaster.engine.event_loop import EventLoop
from concertmaster.engine.journal import Journal
from concertmaster.engine.login_check import check_logins
from concertmaster.engine.recorded_run import JOURNAL, RecordedRun, read_run
from concertmaster.engine.run_context import LOOK_SECONDS, PROMPTS, RunContext
from concertmaster.engine.signals import end_after, handle_signals
from concertmaster.engine.unmeasured_cost import check_budget
from concertmaster.engine.unsandboxed_agents import replace_unsandboxed
from concertmaster.errors import EnvironmentFault, Error, UsageError
from concertmaster.events import (
    Event,
    PhaseFinished,
    RunResumed,
    RunStarted,
)
from concertmaster.files import run_folder
from concertmaster.git.branches import check_room
from concertmaster.git.command import OWNER
from concertmaster.git.commit_files import CommitFiles
from concertmaster.git.kept_records import keep_files
from concertmaster.git.repository import Repository
from concertmaster.git.run_repository import RunRepository
from concertmaster.landing.path_policy import RunPlace
from concertmaster.model import Plan
from concertmaster.planning.build_plan import Planned
from concertmaster.planning.running_prompts import find_running_prompts
from concertmaster.report.outcome import can_go_on
from concertmaster.report.progress import ProgressListener
from concertmaster.sandbox import host, permissions
from concertmaster.sandbox.resource_limits import FreeResources
from concertmaster.sandbox.supervisor import Guard
from concertmaster.sandbox.users import Accounts
from concertmaster.text.names import find_unique
from concertmaster.text.redaction import redact
from concertmaster.worktrees.manager import Worktrees

_GOES_ON = RunResumed()
MOST_OPEN_RUNS = 20  # newest runs that are searched for one that can be resumed
MEASURE_SECONDS = 3.0  # agents do not fill memory or disk faster


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHome:
    """The places and limits of a run on this machine.

    Attempts lie below `cache`, in worktrees that are called `name` ("" = as the checkout). The run
    is stopped after `seconds`; None is no limit. With `accounts` each attempt runs as a user of its
    own. `measure` returns the free resources of the file systems that hold the given folders,
    `redact` a text without secrets.
    """

    cache: Path
    environment: Mapping[str, str]
    agent_names: frozenset[str] = frozenset()  # variables that every agent gets
    name: str = ""
    redact: Callable[[str], str] = partial(redact, secrets=())
    place: RunPlace = RunPlace.MACHINE
    seconds: float | None = None
    accounts: Accounts | None = None
    measure: Callable[[Collection[Path]], FreeResources] = host.measure
    measure_seconds: float = MEASURE_SECONDS
    look_seconds: float = LOOK_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalRun:
    """A run on this machine: the repository that it works on, and the folder that is its own."""

    repository: Repository
    folder: Path


def runs_folder(repository: Repository) -> Path:
    """Return the folder of all runs of a repository."""
    return run_folder.runs_folder(repository.git_dir)


def find_run(repository: Repository, name: str) -> Path:
    """Return the folder of the named run, or of the newest.

    The start or the end of a name is enough if no other run has it. Raises UsageError if there is
    no such run, or several.
    """
    folders = run_folder.list_runs(runs_folder(repository))
    if not name and folders:
        return folders[-1]
    if found := find_unique(name, [folder.name for folder in folders], what="run"):
        return runs_folder(repository) / found
    raise UsageError(
        f"there is no run {name}" if name else "there is no run in this repository yet",
        why=f"looked in {runs_folder(repository)}",
        next_step="see `concertmaster status` for the runs, or start one: concertmaster run ...",
    )


def find_open_run(repository: Repository, name: str) -> Path:
    """Return the folder of the named run, else of the newest open one, else of the newest.

    Raises UsageError if there is none.
    """
    newest = find_run(repository, name)
    if name:
        return newest
    folders = run_folder.list_runs(runs_folder(repository))[-MOST_OPEN_RUNS:]
    return next((folder for folder in reversed(folders) if _is_open(folder)), newest)


def _is_open(folder: Path) -> bool:
    try:
        return can_go_on(read_run(folder).state)
    except Error:  # a run of another version, or a broken one
        return False


def start_run(
    planned: Planned,
    home: RunHome,
    *,
    progress: ProgressListener,
    guard: Guard,
    agents: Mapping[str, Agent] | None = None,
) -> RecordedRun:
    """Run a new plan to its end; return the run.

    `agents` are those of the plan if they have been prepared, with their notes in the plan.
    """
    check_room(planned.repository, planned.plan.run, planned.plan.base)
    notes: tuple[str, ...] = ()
    if agents is None:
        agents, notes = prepare_agents(planned.plan, home, guard)
    plan = add_notes(planned.plan, (*notes, *check_budget(planned.plan.settings, agents)))
    run = LocalRun(repository=planned.repository, folder=runs_folder(planned.repository) / plan.run)
    with ExitStack() as held:
        with run_folder.lock_start(run.folder.parent):
            _refuse_running(plan, planned.repository)
            _write_folder(replace(planned, plan=plan), run, home)
            held.enter_context(run_folder.lock_run(run.folder))
        context = make_context(plan, run, home, guard=guard, agents=agents)
        return _perform(context, RunStarted(run=plan.run), progress=progress, seconds=home.seconds)


def _refuse_running(plan: Plan, repository: Repository) -> None:
    """Raise UsageError if another run has begun with a prompt of the plan after it was made."""
    running = find_running_prompts(repository.git_dir)
    for task in plan.tasks:
        if other := running.get((task.id, task.blob)):
            raise UsageError(
                f"run {other} has just begun to work on {task.prompt}",
                why="two runs at once would do the same work twice",
                next_step="start again; what the other run does is left out then",
            )


def _write_folder(planned: Planned, run: LocalRun, home: RunHome) -> None:
    folder, plan = run.folder, planned.plan
    (folder / PROMPTS).mkdir(parents=True)
    for blob, data in planned.texts.items():
        (folder / PROMPTS / blob).write_bytes(data)
    run.repository.pin(f"refs/concertmaster/{plan.run}/base", plan.base)
    run_folder.write_place(folder, home.cache)
    run_folder.write_plan(folder, plan)
    keep_files(run.repository, plan.run, [folder / "plan.json", *(folder / PROMPTS).iterdir()])


def resume_run(
    run: LocalRun,
    home: RunHome,
    *,
    progress: ProgressListener,
    guard: Guard,
    opening: RunResumed = _GOES_ON,
) -> RecordedRun:
    """Go on with a run whose process died, was interrupted or had stopped; return its end.

    With `cancelled` the opening only ends the run in good order. Its `budget_usd` replaces the
    plan's budget.
    """
    plan = run_folder.read_plan(run.folder)
    agents = {} if opening.cancelled else prepare_agents(plan, home, guard)[0]
    dead = run_folder.read_owner(run.folder)
    with run_folder.lock_run(run.folder):
        host.sweep(f"{plan.run}/")
        _await_git_of(dead)
        context = make_context(plan, run, home, guard=guard, agents=agents)
        return _perform(context, opening, progress=progress, seconds=home.seconds)


def settle_run(
    run: LocalRun,
    home: RunHome,
    *,
    progress: ProgressListener,
    guard: Guard,
    opening: RunStarted | RunResumed = _GOES_ON,
) -> RecordedRun:
    """Land the results at the start of the run's journal; no agent runs. Return the run's end."""
    plan = run_folder.read_plan(run.folder)
    context = make_context(plan, run, home, guard=guard, agents={})
    with run_folder.lock_run(run.folder):
        return _perform(context, opening, progress=progress, seconds=home.seconds)


def _await_git_of(dead: int | None) -> None:
    """Wait for the git commands of a dead process, which may still write the user's files.

    Raises EnvironmentFault if one does not end.
    """
    if dead is not None and not host.await_end("git", variable=OWNER, value=str(dead)):
        raise EnvironmentFault(
            "a git command of the process that died is still running",
            why=f"its environment says {OWNER}={dead}",
            next_step="wait for its end, or end it, then resume again",
        )


def find_agents(plan: Plan, home: RunHome) -> dict[str, Agent]:
    """Return the plan's agents by name.

    Raises UsageError or EnvironmentFault for an agent that is not available.
    """
    settings, search = plan.settings, home.environment.get("PATH", "")
    names = {task.agent or settings.agent for task in plan.tasks} - {""}
    models = {settings.agent: settings.agent_model}  # one that a prompt names has its own
    return {
        name: find_agent(
            name, command=settings.agent_command, path=search, model=models.get(name, "")
        )
        for name in sorted(names)
    }


def prepare_agents(
    plan: Plan, home: RunHome, guard: Guard
) -> tuple[dict[str, Agent], tuple[str, ...]]:
    """Return every agent of the plan by name, as it can run here, and notes for the plan.

    Raises UsageError or EnvironmentFault for one that is not to be had.
    """
    return replace_unsandboxed(
        find_agents(plan, home),
        guard=guard,
        cache=home.cache,
        environment=home.environment,
        accounts=home.accounts,
    )


def refuse_logged_out(plan: Plan, home: RunHome, guard: Guard, *, checkout: Path) -> None:
    """Raise EnvironmentFault if an agent of the plan's tasks says that it is not logged in.

    Raises UsageError or EnvironmentFault for one that is not to be had.
    """
    check_logins(
        find_agents(plan, home),
        environment=home.environment,
        names=frozenset(plan.settings.agent_environment),
        place=checkout,
        guard=guard,
    )


def add_notes(plan: Plan, notes: Sequence[str]) -> Plan:
    """Return the plan with those of the notes that it does not have yet."""
    return replace(plan, notes=(*plan.notes, *(one for one in notes if one not in plan.notes)))


def make_context(
    plan: Plan, run: LocalRun, home: RunHome, *, guard: Guard, agents: Mapping[str, Agent]
) -> RunContext:
    """Return the tools of a run; creates the run's repository."""
    folder, repository = run.folder, run.repository
    objects = RunRepository.create(folder / "repository.git", user=repository, base=plan.base)
    place = run_folder.read_place(folder) or home.cache
    worktrees = Worktrees(
        objects,
        user=repository,
        cache=place,
        run=plan.run,
        accounts=home.accounts,
    )
    worktrees.name_parts(target=plan.target, name=home.name, base=plan.base)
    if home.accounts:
        _close(folder)
    return RunContext(
        plan=plan,
        folder=folder,
        repository=repository,
        base_files=CommitFiles(repository, plan.base),
        objects=objects,
        worktrees=worktrees,
        guard=guard,
        agents=agents,
        environment=home.environment,
        agent_names=home.agent_names,
        measure=partial(home.measure, (place, folder)),
        measure_seconds=home.measure_seconds,
        redact=home.redact,
        look_seconds=home.look_seconds,
        place=home.place,
    )


def _close(folder: Path) -> None:
    """Close the run's folder to other users, except the objects that attempts build on."""
    for name in ("tasks", "indexes", "strays"):
        (folder / name).mkdir(exist_ok=True)
    permissions.restrict_folder(folder, shown=["repository.git"])


def _perform(
    context: RunContext, opening: Event, *, progress: ProgressListener, seconds: float | None = None
) -> RecordedRun:
    record = Journal(context.folder / JOURNAL)
    record.repair()
    past = record.read()
    _discard_unnamed(context, past)
    loop = EventLoop(context, journal=record, progress=progress)
    with handle_signals(loop), end_after(loop, seconds):
        run_folder.write_owner(context.folder)
        is_begun = bool(past) or opening != _GOES_ON  # the process may die before the first event
        state = loop.run(opening if is_begun else RunStarted(run=context.plan.run), past=past)
    context.worktrees.close()
    return RecordedRun(folder=context.folder, state=state, events=record.read())


def _discard_unnamed(context: RunContext, past: Sequence[Event]) -> None:
    """Remove the attempt folders that the journal does not name; no agent ever ran in them."""
    prepared = (event for event in past if isinstance(event, PhaseFinished) and event.folder)
    context.worktrees.discard_others({Path(event.folder).name for event in prepared})
