"""Starts and resumes runs on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from concertmaster.agents.protocol import Agent
from concertmaster.engine.event_loop import EventLoop
from concertmaster.engine.find_run import runs_folder
from concertmaster.engine.journal import Journal
from concertmaster.engine.prepare_agents import prepare_agents
from concertmaster.engine.recorded_run import JOURNAL, RecordedRun
from concertmaster.engine.run_context import PROMPTS, RunContext
from concertmaster.engine.run_home import RunHome
from concertmaster.engine.signals import end_after, handle_signals
from concertmaster.engine.unmeasured_cost import check_budget
from concertmaster.errors import EnvironmentFault, UsageError
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
from concertmaster.git.our_branches import reference_of
from concertmaster.git.repository import Repository
from concertmaster.git.run_repository import RunRepository
from concertmaster.model import Plan
from concertmaster.planning.build_plan import Planned
from concertmaster.planning.running_prompts import find_running_prompts
from concertmaster.report.progress import ProgressListener
from concertmaster.sandbox import host, permissions
from concertmaster.sandbox.supervisor import Guard
from concertmaster.worktrees.manager import Worktrees

_GOES_ON = RunResumed()


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalRun:
    """A run on this machine: the repository that it works on, and the folder that is its own."""

    repository: Repository
    folder: Path


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
    run.repository.pin(reference_of(plan.run, "base"), plan.base)
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
