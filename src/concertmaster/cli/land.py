"""Lands existing branches as a run lands its results, without an agent."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import click

from concertmaster.cli.finish import find_place, finish, run_home
from concertmaster.cli.options import given_settings, json_option, repo_option, setting_option
from concertmaster.engine import local_run as runs
from concertmaster.engine.find_run import runs_folder
from concertmaster.engine.journal import Journal
from concertmaster.engine.recorded_run import RecordedRun
from concertmaster.engine.run_home import RunHome
from concertmaster.errors import UsageError
from concertmaster.events import ResultReceived, RunStarted
from concertmaster.files import run_folder
from concertmaster.git import branches
from concertmaster.git.kept_records import keep_files
from concertmaster.git.our_branches import reference_of
from concertmaster.git.repository import Repository
from concertmaster.git.run_repository import RunRepository
from concertmaster.landing.judge_change import ChangeJudge
from concertmaster.landing.path_policy import RunPlace
from concertmaster.model import Plan, Skipped, Task, TaskState
from concertmaster.planning.build_plan import new_run
from concertmaster.planning.checkout import Checkout, PlanRequest, open_checkout
from concertmaster.planning.given_branches import (
    GivenBranch,
    find_needs,
    read_given,
    without_agent,
)
from concertmaster.planning.past_flakes import read_flakes
from concertmaster.planning.run_settings import draft_plan
from concertmaster.prompts.parser import task_id
from concertmaster.report.progress import ProgressListener
from concertmaster.sandbox.supervisor import Guard
from concertmaster.terminal.console import Console


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchPlan:
    """A plan in which each task is a branch."""

    plan: Plan
    repository: Repository
    branches: tuple[GivenBranch, ...]


def plan_branches(asked: PlanRequest, names: Sequence[str]) -> BranchPlan:
    """Read the branches and plan their landing; change nothing.

    Raises UsageError or EnvironmentFault.
    """
    checkout = open_checkout(asked)
    found = [_read_branch(checkout, name) for name in names]
    given = tuple(one for one in found if one.commits)
    _refuse_duplicates(given)
    draft = draft_plan(checkout, run=new_run(), requester=checkout.repository.requester())
    plan = replace(
        draft,
        slots=1,
        flakes=read_flakes(checkout.repository.git_dir, check=draft.settings.check),
        settings=without_agent(draft.settings),
        tasks=tuple(_task(one) for one in given),
        needs=tuple(find_needs(given)),
        order=tuple(one.task for one in given),
        skipped=tuple(_skipped(one, checkout.target) for one in found if not one.commits),
    )
    return BranchPlan(plan=plan, repository=checkout.repository, branches=given)


def _read_branch(checkout: Checkout, name: str) -> GivenBranch:
    head = branches.resolve_branch(checkout.repository, name)
    return read_given(checkout, name, task=task_id(name), head=head)


def _refuse_duplicates(branches: Sequence[GivenBranch]) -> None:
    """Raise UsageError if two branches have the same commit or task id."""
    seen: dict[str, GivenBranch] = {}
    for one in branches:
        twin = seen.get(one.head) or seen.get(one.task)
        if twin is not None:
            same = "commit" if twin.head == one.head else f"task id {one.task}"
            raise UsageError(
                f"the branch {one.name} is named twice"
                if twin.name == one.name
                else f"the branches {twin.name} and {one.name} have the same {same}",
                why="each branch is landed by itself",
                next_step="name one of them only; nothing was changed",
            )
        seen |= {one.head: one, one.task: one}


def _task(one: GivenBranch) -> Task:
    return Task(
        id=one.task,
        prompt=one.name,
        blob="",
        title=one.name,
        estimate_seconds=0.0,
        branch=one.name,
    )


def _skipped(one: GivenBranch, target: str) -> Skipped:
    return Skipped(prompt=one.name, task=one.task, reason=f"{target} contains it already")


def land_branches(
    planned: BranchPlan, home: RunHome, *, progress: ProgressListener, guard: Guard
) -> RecordedRun:
    """Land the branches that pass, and return the run.

    A branch that does not pass is reported and stays as it is.
    """
    plan, repository = planned.plan, planned.repository
    branches.check_room(repository, plan.run, plan.base)
    folder = runs_folder(repository) / plan.run
    folder.mkdir(parents=True)
    objects = RunRepository.create(folder / "repository.git", user=repository, base=plan.base)
    results = [_receive(one, objects, plan=plan, place=home.place) for one in planned.branches]
    repository.pin(reference_of(plan.run, "base"), plan.base)
    run_folder.write_place(folder, home.cache)
    Journal(folder / "journal.jsonl").append(results)
    # The plan makes the folder a run. Without the results, `resume` would start agents.
    run_folder.write_plan(folder, plan)
    keep_files(repository, plan.run, [folder / "plan.json"])
    opening = RunStarted(run=plan.run)
    run = runs.LocalRun(repository=repository, folder=folder)
    return runs.settle_run(run, home, progress=progress, guard=guard, opening=opening)


def _receive(
    one: GivenBranch, objects: RunRepository, *, plan: Plan, place: RunPlace
) -> ResultReceived:
    """Return the branch as the result of its task, refused by the path policy or not."""
    judged = ChangeJudge(objects=objects, plan=plan, place=place).judge(one.base, one.head)
    return ResultReceived(
        task=one.task,
        state=TaskState.FAILED if judged.refused else TaskState.SUCCEEDED,
        reason="; ".join(judged.refused),
        base=one.base,
        head=one.head,
        sensitive=judged.sensitive,
        classes=judged.classes,
        lands_anyway=True,
        at=time.time(),
    )


@click.command()
@click.argument("branches", metavar="BRANCH...", nargs=-1, required=True)
@repo_option
@setting_option("target", help="Where they land (default: this branch).")
@setting_option("setup")
@setting_option("check")
@json_option
@click.pass_obj
def land(console: Console, /, branches: tuple[str, ...], json: bool, **given: Any) -> int:
    """Land branches that exist already, as `run` lands its results.

    They are merged and checked together. What conflicts or breaks the check is left out, and its
    branch stays as it is. Remote-tracking branches such as origin/x will do; no agent runs.
    """
    asked = PlanRequest(repository=given["repo"], prompts=(), options=given_settings(given))
    with Guard() as guard:
        planned = plan_branches(asked, branches)
        for note in planned.plan.notes:
            console.note(note)
        home = run_home(find_place(planned.repository, planned.plan).folder)
        with console.progress() as progress:
            run = land_branches(planned, home, progress=progress, guard=guard)
    return finish(console, run)
