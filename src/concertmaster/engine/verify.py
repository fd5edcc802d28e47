"""The verify job: which results may land together. It runs what agents wrote and can write nothing.

It is the train of every run, on a clone that nobody else sees; finalize repeats its merges.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from concertmaster.adapters import journal, remote
from concertmaster.adapters.journal import Journal
from concertmaster.adapters.parcel import VERDICT_FILE
from concertmaster.adapters.process import Guard
from concertmaster.adapters.repository import Repository, git_version
from concertmaster.adapters.run_repository import RunRepository
from concertmaster.core.events import BaseChecked, Event, RunStarted
from concertmaster.core.finding import find_verdict, verdict_summary
from concertmaster.core.history import History, TaskHistory
from concertmaster.core.machine import fold
from concertmaster.core.model import LandingMode, Plan, Task
from concertmaster.core.state import RunState
from concertmaster.core.verdict import Verdict
from concertmaster.engine import run as runs
from concertmaster.engine.acceptance import Accepted, Gate, Shares, read_shares
from concertmaster.engine.handout import Handout, read_handout
from concertmaster.engine.job import VERIFY, Job, digest
from concertmaster.engine.leavings import copy_logs, write_document
from concertmaster.engine.loop import Progress
from concertmaster.engine.shelter import sheltered
from concertmaster.engine.work import home, usable_seconds

_TOGETHER = (LandingMode.MERGE, LandingMode.SINGLE_PULL_REQUEST, LandingMode.PULL_REQUESTS)


def verify(job: Job) -> int:
    """Find the verdict on the results of this round, and leave it; whatever it is."""
    began = time.monotonic()
    handout = read_handout(job)
    repository, fetched = _clone(job, handout)
    plan = make_train_plan(handout)
    run_folder = runs.runs_folder(repository) / plan.run
    objects = RunRepository.create(run_folder / "repository.git", user=repository, base=plan.base)
    shares = read_shares(handout.plan, job.artifacts, round_number=handout.history.round)
    accepted = Gate(
        handout=handout, shares=shares, artifacts=job.artifacts, objects=objects, fetched=fetched
    ).accept()
    start = _start(handout, repository.branch_tip(plan.target))
    opening = _opening(plan, shares, accepted, tree=objects.tree(plan.base), tip=start.tip)
    clerk = Clerk(job=job, plan=plan, start=start, accepted=accepted, events=opening)
    try:
        if handout.plan.settings.landing in _TOGETHER and shares.base_green is not False:
            _run_train(job, clerk, repository, run_folder, began=began)
        else:
            clerk.finish()
    finally:
        clerk.leave(run_folder)
    return 0


def _clone(job: Job, handout: Handout) -> tuple[Repository, dict[str, str]]:
    """The target as it is now, and the commits of earlier rounds that the server still has."""
    folder = job.folder / "repository"
    shutil.rmtree(folder, ignore_errors=True)  # of a try of this job before
    plan = handout.plan
    repository = remote.clone(job.clone_url, folder, token=job.token, branch=plan.target)
    repository.detach()
    mine = {task.id for task in plan.tasks}
    carried = {one.head for one in handout.history.tasks if one.head and one.task not in mine}
    wanted = sorted({plan.base, *carried})
    fetched = dict(remote.fetch(repository, job.clone_url, wanted, token=job.token))
    repository.resolve(plan.base)
    return repository, fetched


def make_train_plan(handout: Handout) -> Plan:
    """The plan in which every task of the run is one that may land; no agent has a part in it."""
    plan, history = handout.plan, handout.history
    planned = {task.id: task for task in plan.tasks}
    known = {one.task for one in history.tasks}
    return replace(
        plan,
        slots=1,
        settings=replace(plan.settings, landing=LandingMode.MERGE, budget_usd=None),
        tasks=tuple(planned.get(one.task, _task(one)) for one in history.tasks),
        needs=tuple(need for need in history.needs if {need.task, need.on} <= known),
        exclusions=(),
        order=tuple(one.task for one in history.tasks),
        shares=(),
    )


def _task(one: TaskHistory) -> Task:
    return Task(
        id=one.task, prompt=one.prompt, blob=one.blob, title=one.title, estimate_seconds=0.0
    )


def _start(handout: Handout, tip: str) -> Verdict:
    history: History = handout.history
    return Verdict(
        run=history.run,
        round=history.round,
        target=history.target,
        tip=tip,
        git_version=git_version(),
    )


def _opening(
    plan: Plan, shares: Shares, accepted: Accepted, *, tree: str, tip: str
) -> tuple[Event, ...]:
    """What has happened before the train starts. A base that a share has checked is known."""
    base = BaseChecked(
        tree=tree,
        passed=shares.base_green is True,
        reason=shares.base_reason,
        seconds=0.0,
        tip=tip,
    )
    checked = () if shares.base_green is None else (base,)
    return (RunStarted(run=plan.run), *accepted.events, *checked)


def _run_train(
    job: Job, clerk: Clerk, repository: Repository, run_folder: Path, *, began: float
) -> None:
    """Until all is settled, or the time of the job is over."""
    journal.write_plan(run_folder, clerk.plan)
    Journal(run_folder / "journal.jsonl").append(clerk.events)
    with (
        sheltered(job) as accounts,
        Guard() as guard,
        job.console.progress() as clerk.progress,
    ):
        left = usable_seconds(job) - (time.monotonic() - began)
        place = replace(home(job, accounts), seconds=max(left, 0.0))
        runs.settle(run_folder, repository, place, progress=clerk, guard=guard)


@dataclass(kw_only=True)
class Clerk:
    """Keeps the verdict: on disk it is always whole, and as new as the last event."""

    job: Job
    plan: Plan
    start: Verdict
    accepted: Accepted
    events: Sequence[Event]
    progress: Progress | None = None
    verdict: Verdict = field(init=False)

    def __post_init__(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)  # of a try of this job before
        self._folder.mkdir(parents=True)
        self._write(self._find(fold(self.plan, self.events)))

    @property
    def _folder(self) -> Path:
        return self.job.artifacts / VERIFY

    def update(self, state: RunState, event: Event) -> None:
        """The run has gone on."""
        self.events = (*self.events, event)
        if self.progress:
            self.progress.update(state, event)
        found = self._find(state)
        if found != self.verdict:
            self._write(found)

    def activity(self, task: str, words: str) -> None:
        """No agent is at work here."""

    def finish(self) -> None:
        """There is nothing to find out."""
        self._write(replace(self.verdict, finished=True))

    def leave(self, run_folder: Path) -> None:
        """The logs beside the verdict, and the verdict on the job's page."""
        copy_logs(self.job, run_folder, self._folder)
        self.job.write_summary(verdict_summary(self.verdict, held=self.accepted.held))

    def _find(self, state: RunState) -> Verdict:
        return find_verdict(self.start, state, self.events, refused=self.accepted.refused)

    def _write(self, found: Verdict) -> None:
        self.verdict = found
        path = self._folder / VERDICT_FILE
        write_document(self.job, path, asdict(found))
        self.job.write_outputs({"verdict_sha256": digest(path)})
