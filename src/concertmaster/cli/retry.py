"""Defines the command `concertmaster retry`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from concertmaster.cli.finish import finish, run_home, run_plan
from concertmaster.cli.options import (
    given_settings,
    json_option,
    repo_option,
    setting_options,
)
from concertmaster.cli.run_task import complete_tasks, run_option
from concertmaster.engine import local_run as runs
from concertmaster.engine.earlier_work import keep_results, recall_tries
from concertmaster.engine.find_run import find_run
from concertmaster.engine.prepare_agents import prepare_agents, refuse_logged_out
from concertmaster.engine.recorded_run import RecordedRun, read_run
from concertmaster.engine.run_context import PROMPTS
from concertmaster.errors import UsageError
from concertmaster.files import run_folder
from concertmaster.git import branches
from concertmaster.git.repository import Repository
from concertmaster.model import Task
from concertmaster.planning.build_plan import PastWork, Planned, plan_here
from concertmaster.planning.checkout import PlanRequest, open_checkout
from concertmaster.planning.earlier_tries import EarlierTry
from concertmaster.planning.explain import find_task
from concertmaster.planning.recalled_options import recall_options
from concertmaster.prompts.files import PromptFile, read_prompt
from concertmaster.report.run_end import can_go_on, find_unlanded
from concertmaster.report.unlanded import choose_unlanded
from concertmaster.sandbox.supervisor import Guard
from concertmaster.terminal.console import Console
from concertmaster.text.display import count


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """The tasks of an earlier run that are tried again, with what is known of them."""

    earlier: RecordedRun
    repository: Repository
    tasks: tuple[str, ...]
    tries: dict[str, EarlierTry]
    files: tuple[PromptFile, ...]
    notes: tuple[str, ...]

    def plan(self, asked: PlanRequest) -> Planned:
        """Return the plan of the new run on the present tip. Raises UsageError."""
        state = self.earlier.state
        landed = f"landed in run {self.earlier.folder.name}"
        done = {key: landed for key in state.tasks if key not in self.tasks}
        past = PastWork(tries=self.tries, done=done)
        made = plan_here(open_checkout(asked), self.files, notes=self.notes, past=past)
        skipped = tuple(one for one in made.plan.skipped if one.task not in done)
        return replace(made, plan=replace(made.plan, skipped=skipped))


@click.command()
@click.argument("tasks", nargs=-1, metavar="[TASK]...", shell_complete=complete_tasks)
@repo_option
@run_option
@setting_options
@click.option("--dry-run", is_flag=True, help="Show the plan and stop.")
@json_option
@click.pass_obj
def retry(console: Console, /, tasks: tuple[str, ...], run: str, json: bool, **given: Any) -> int:
    """Try again what an ended run left out.

    The new run starts from the present target. A result that only did not land is merged and
    mended; nothing is thrown away. What failed begins anew and is told why it failed. Settings are
    those of the earlier run, unless given.
    """
    repository = Repository.open(given["repo"])
    found = read_ended_run(repository, run)
    chosen = choose_tasks(found, repository, tasks)
    if not chosen:
        console.note(f"run {found.folder.name} left nothing out; there is nothing to try again")
        return finish(console, found, repository=repository)
    again = prepare_retry(found, repository, chosen)
    options = {**recall_options(found.state.plan, repository), **given_settings(given)}
    asked = PlanRequest(repository=repository.root, prompts=(), options=options)
    if given["dry_run"]:
        console.show_plan(again.plan(asked).plan)
        return 0
    with Guard() as guard:
        planned = again.plan(asked)
        home = run_home()
        agents, notes = prepare_agents(planned.plan, home, guard)
        refuse_logged_out(planned.plan, home, guard, checkout=repository.root)
        planned = replace(planned, plan=runs.add_notes(planned.plan, notes))
        keep_results(found, again.tries, repository, new_run=planned.plan.run)
        if not json:
            console.show_plan(planned.plan)
        return run_plan(console, planned, guard, agents=agents)


def read_ended_run(repository: Repository, name: str) -> RecordedRun:
    """Return the named run, else the newest.

    Raises UsageError for one that goes on, that can be resumed, or whose tasks are branches.
    """
    folder = find_run(repository, name)
    found = read_run(folder)
    if run_folder.is_locked(folder):
        raise UsageError(
            f"run {folder.name} is going on",
            why="only what an ended run left out is tried again",
            next_step=f"wait for it, or stop it with `concertmaster cancel {folder.name}`",
        )
    if can_go_on(found.state):
        raise UsageError(
            f"run {folder.name} has not ended",
            why="it stopped half-way, and nothing of it needs a new run",
            next_step=f"go on with it: concertmaster resume {folder.name}",
        )
    named = [task.branch for task in found.state.plan.tasks if task.branch]
    if named:
        raise UsageError(
            f"run {folder.name} landed branches, which no agent can do again",
            next_step=f"land them again: concertmaster land {' '.join(named)}",
        )
    return found


def choose_tasks(
    found: RecordedRun, repository: Repository, named: Sequence[str]
) -> tuple[str, ...]:
    """Return the ids of the tasks to try again.

    Raises UsageError for a name that means no task of the run, or one that landed.
    """
    state = found.state
    tip = branches.find_tip(repository, state.plan.target)
    landed = {
        key
        for key in find_unlanded(state)
        if tip and (head := state.tasks[key].head)
        if branches.is_on_branch(repository, head, tip=tip)
    }
    ids = [find_task(state.plan, name).id for name in named]
    for key in ids:
        if key in landed or key not in find_unlanded(state):
            told = state.tasks[key].state.replace("_", " ")
            raise UsageError(
                f"{key} is not to be tried again",
                why=f"in run {found.folder.name} it is {'landed' if key in landed else told}",
                next_step="name tasks that did not land; `concertmaster status` shows them",
            )
    return choose_unlanded(state, named=ids, landed=landed)


def prepare_retry(found: RecordedRun, repository: Repository, chosen: tuple[str, ...]) -> Retry:
    """Return what is tried again, with the present texts of the prompts. Raises UsageError."""
    plan = found.state.plan
    texts = {task.id: _read_text(found, repository, task) for task in plan.tasks}
    tries = recall_tries(found, chosen)
    changed = [key for key in chosen if texts[key].data != _recorded_text(found, key)]
    for key in changed:  # the old result is not what the prompt asks for now
        tries[key] = replace(tries[key], result=None)
    others = [Path(one.prompt) for one in plan.skipped if (repository.root / one.prompt).is_file()]
    marked = [
        PromptFile(path=str(path), data=read_prompt(repository.root / path)) for path in others
    ]
    return Retry(
        earlier=found,
        repository=repository,
        tasks=chosen,
        tries=tries,
        files=(*texts.values(), *marked),
        notes=tuple(_say_what(found, tries, changed)),
    )


def _read_text(found: RecordedRun, repository: Repository, task: Task) -> PromptFile:
    """Return the prompt as it is now, or as it was when its file is gone."""
    place = repository.root / task.prompt
    data = read_prompt(place) if place.is_file() else _recorded_text(found, task.id)
    return PromptFile(path=task.prompt, data=data)


def _recorded_text(found: RecordedRun, task: str) -> bytes:
    return (found.folder / PROMPTS / found.state.tasks[task].task.blob).read_bytes()


def _say_what(
    found: RecordedRun, tries: Mapping[str, EarlierTry], changed: Sequence[str]
) -> Iterator[str]:
    yield f"tries again {count(len(tries), 'task')} of run {found.folder.name}"
    if kept := [key for key, one in tries.items() if one.result]:
        yield f"goes on from the result of that run: {', '.join(kept)}"
    if changed:
        yield f"begins anew, as the prompt has changed since: {', '.join(changed)}"
