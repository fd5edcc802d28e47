"""Runs the verify job, which finds out which results may land together.

It runs what agents wrote and has no token that can write. It uses the merge queue of every run on a
clone of its own; finalize repeats its merges.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

from concertmaster.action.accept_results import (
    AcceptedResults,
    ResultChecker,
    ShareFiles,
    read_shares,
)
from concertmaster.action.artifact_files import copy_logs, write_document
from concertmaster.action.artifacts import VERIFY, digest_files
from concertmaster.action.isolation import home, isolated_users
from concertmaster.action.job import Job, renew_folder, usable_seconds
from concertmaster.action.plan_artifact import PlanArtifact, read_plan_artifact
from concertmaster.engine import local_run as runs
from concertmaster.engine.find_run import runs_folder
from concertmaster.engine.journal import Journal
from concertmaster.engine.machine_state import measure_machine
from concertmaster.events import BaseChecked, Event, RunStarted
from concertmaster.files.run_folder import write_plan
from concertmaster.git.command import git_version
from concertmaster.git.repository import Repository
from concertmaster.git.run_repository import RunRepository
from concertmaster.model import Plan, Task
from concertmaster.report.progress import ProgressListener
from concertmaster.rounds import kept_work, state_branch
from concertmaster.rounds.build_verdict import build_verdict, verdict_summary
from concertmaster.rounds.documents import VERDICT_FILE
from concertmaster.rounds.history import History, TaskHistory
from concertmaster.rounds.verdict import Verdict
from concertmaster.run.state import RunState
from concertmaster.run.state_machine import fold_events
from concertmaster.sandbox import host
from concertmaster.sandbox.supervisor import Guard
from concertmaster.settings.choices import LandingMode

_TOGETHER = (LandingMode.MERGE, LandingMode.SINGLE_PULL_REQUEST, LandingMode.PULL_REQUESTS)


def verify(job: Job) -> int:
    """Find the verdict on the results of this round and leave it as artifact. Return 0."""
    began = time.monotonic()
    plan_artifact = read_plan_artifact(job)
    job = job.handing(plan_artifact.plan.settings)
    repository = _clone(job, plan_artifact)
    plan = make_landing_plan(plan_artifact)
    run_folder = runs_folder(repository) / plan.run
    objects = RunRepository.create(run_folder / "repository.git", user=repository, base=plan.base)
    fetched = _fetch_carried(job, plan_artifact, repository, objects)
    shares = read_shares(
        plan_artifact.plan, job.artifacts, round_number=plan_artifact.history.round
    )
    accepted = ResultChecker(
        plan_artifact=plan_artifact,
        shares=shares,
        artifacts=job.artifacts,
        objects=objects,
        fetched=fetched,
    ).accept()
    start = _start(plan_artifact, repository.branch_tip(plan.target))
    opening = _opening(plan, shares, accepted, tree=objects.tree(plan.base), tip=start.tip)
    recorder = VerifyRecorder(job=job, plan=plan, start=start, accepted=accepted, events=opening)
    try:
        if plan_artifact.plan.settings.landing in _TOGETHER and shares.base_green is not False:
            _run_queue(job, recorder, repository, run_folder, began=began)
        else:
            recorder.finish()
    finally:
        recorder.leave(run_folder)
    return 0


def _clone(job: Job, plan_artifact: PlanArtifact) -> Repository:
    """Return a clone of the target."""
    plan = plan_artifact.plan
    repository = job.clone(branch=plan.target)
    repository.detach()
    job.remote.fetch(repository, [plan.base])
    repository.resolve(plan.base)
    return repository


def _fetch_carried(
    job: Job, plan_artifact: PlanArtifact, repository: Repository, objects: RunRepository
) -> dict[str, str]:
    """Return the commits of earlier rounds that the server or the state branch still has."""
    history = plan_artifact.history
    mine = {task.id for task in plan_artifact.plan.tasks}
    tasks = history.tasks.values()
    carried = {one.task: one.head for one in tasks if one.head and one.task not in mine}
    if not carried:
        return {}
    fetched = dict(job.remote.fetch(repository, sorted({*carried.values()})))
    if missing := kept_work.find_missing(carried, fetched):
        state = state_branch.read(repository, job.remote, history.run)
        fetched |= kept_work.take_back(objects, state, missing)
    return fetched


def make_landing_plan(plan_artifact: PlanArtifact) -> Plan:
    """Return the plan in which each task of the run may land and no agent works."""
    plan, history = plan_artifact.plan, plan_artifact.history
    planned = {task.id: task for task in plan.tasks}
    return replace(
        plan,
        slots=1,
        settings=replace(plan.settings, landing=LandingMode.MERGE, budget_usd=None),
        tasks=tuple(planned.get(key, _task(one)) for key, one in history.tasks.items()),
        needs=tuple(one for one in history.needs if {one.task, one.on} <= history.tasks.keys()),
        exclusions=(),
        order=tuple(history.tasks),
        shares=(),
    )


def _task(one: TaskHistory) -> Task:
    return Task(
        id=one.task,
        prompt=one.prompt,
        blob=one.blob,
        title=one.title,
        estimate_seconds=0.0,
        touches=one.touches,
        branch=one.given.branch if one.given else "",
        lands_anyway=one.lands_anyway,
    )


def _start(plan_artifact: PlanArtifact, tip: str) -> Verdict:
    history: History = plan_artifact.history
    return Verdict(
        run=history.run,
        round=history.round,
        target=history.target,
        tip=tip,
        git_version=git_version(),
    )


def _opening(
    plan: Plan, shares: ShareFiles, accepted: AcceptedResults, *, tree: str, tip: str
) -> tuple[Event, ...]:
    """Return the events before the merge queue starts. A base that a share checked is known."""
    base = BaseChecked(
        tree=tree,
        passed=shares.base_green is True,
        reason=shares.base_reason,
        seconds=0.0,
        tip=tip,
    )
    checked = () if shares.base_green is None else (base,)
    return (RunStarted(run=plan.run), *accepted.events, *checked)


def _run_queue(
    job: Job, recorder: VerifyRecorder, repository: Repository, run_folder: Path, *, began: float
) -> None:
    """Run the merge queue until all is settled or the job's time is over."""
    write_plan(run_folder, recorder.plan)
    Journal(run_folder / "journal.jsonl").append(recorder.events)
    with (
        isolated_users(job) as accounts,
        Guard() as guard,
        job.console.progress() as recorder.progress,
    ):
        left = usable_seconds(job) - (time.monotonic() - began)
        place = replace(home(job, accounts), seconds=max(left, 0.0))
        run = runs.LocalRun(repository=repository, folder=run_folder)
        runs.settle_run(run, place, progress=recorder, guard=guard)


@dataclass(kw_only=True)
class VerifyRecorder:
    """A progress listener that keeps the verdict on disk complete and up to date."""

    job: Job
    plan: Plan
    start: Verdict
    accepted: AcceptedResults
    events: Sequence[Event]
    progress: ProgressListener | None = None
    verdict: Verdict = field(init=False)

    def __post_init__(self) -> None:
        renew_folder(self._folder)
        self._write(self._find(fold_events(self.plan, self.events)))

    @property
    def _folder(self) -> Path:
        return self.job.artifacts / VERIFY

    def update(self, state: RunState, event: Event) -> None:
        """Add the event and write the verdict if it changed."""
        self.events = (*self.events, event)
        if self.progress:
            self.progress.update(state, event)
        found = self._find(state)
        if found != self.verdict:
            self._write(found)

    def activity(self, task: str, text: str) -> None:
        """Ignore the activity, because no agent works here."""

    def notice(self, text: str) -> None:
        pass

    def finish(self) -> None:
        """Write the verdict of a round in which nothing can land together."""
        self._write(replace(self.verdict, finished=True))

    def leave(self, run_folder: Path) -> None:
        """Copy the logs beside the verdict and write the job's summary page."""
        copy_logs(self.job, run_folder, self._folder)
        self.job.write_summary(verdict_summary(self.verdict, held=self._held()))

    def _held(self) -> dict[str, tuple[str, ...]]:
        return {task: one.sensitive for task, one in self.accepted.held.items()}

    def _find(self, state: RunState) -> Verdict:
        return build_verdict(self.start, state, self.events, refused=self.accepted.refused)

    def _write(self, found: Verdict) -> None:
        """Write the verdict; where results are left out, with the machine as it is now."""
        self.verdict = found
        if found.left_out:
            measure = partial(host.measure, (self.job.folder,))
            found = replace(found, machine=measure_machine(measure))
        path = self._folder / VERDICT_FILE
        write_document(self.job, path, asdict(found))
        self.job.write_outputs({"verdict_sha256": digest_files(path)})
