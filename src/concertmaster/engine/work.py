"""The work job: the engine on its share of the tasks, and one folder with what came of it."""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from pathlib import Path

from concertmaster.adapters.account import Accounts
from concertmaster.adapters.page import render_report
from concertmaster.adapters.parcel import RESULTS_FILE
from concertmaster.adapters.process import Guard
from concertmaster.adapters.remote import clone
from concertmaster.adapters.run_repository import RunRepository
from concertmaster.core.breakdown import breakdown_markdown
from concertmaster.core.ending import NextStep
from concertmaster.core.followup import Draft, carry
from concertmaster.core.model import Outcome, Plan, TaskState, Usage
from concertmaster.core.policy import Place
from concertmaster.core.redaction import REPLACEMENT
from concertmaster.core.report import Report, TaskRow, exit_code
from concertmaster.core.reporting import build_report
from concertmaster.core.result import Result, ShareResults
from concertmaster.core.share import take_share
from concertmaster.core.state import Attempt, RunState, TaskRecord
from concertmaster.engine import run as runs
from concertmaster.engine.acceptance import folder_of
from concertmaster.engine.handout import read_handout
from concertmaster.engine.job import Job, digest
from concertmaster.engine.leavings import (
    MOST_LOG_BYTES,
    copy_logs,
    read_tail,
    redacted,
    write_document,
)
from concertmaster.engine.planning import Planned
from concertmaster.engine.shelter import ATTEMPTS, sheltered
from concertmaster.errors import Error

UPLOAD_SECONDS = 120.0  # of the job's time that is kept for bundles and the upload
MOST_NOTES = 50  # of one task
LARGEST_NUMBER = 10**12


def work(job: Job) -> int:
    """Run the share, then leave journal, results, bundles and logs; whatever it came to."""
    handout = read_handout(job)
    plan = handout.plan
    share = take_share(plan, job.settings.share, slots=job.settings.slots)
    folder = job.folder / "repository"
    shutil.rmtree(folder, ignore_errors=True)  # of a try of this job before
    repository = clone(job.clone_url, folder, token=job.token, branch=plan.target)
    repository.resolve(plan.base)
    planned = Planned(plan=share, repository=repository, texts=handout.texts)
    run_folder = runs.runs_folder(repository) / share.run
    try:
        with sheltered(job) as accounts, Guard() as guard, job.console.progress() as progress:
            runs.start(planned, home(job, accounts), progress=progress, guard=guard)
    finally:
        if (run_folder / "journal.jsonl").exists():
            _leave(job, share, run_folder, round_number=handout.history.round)
    return _conclude(job, run_folder)


def usable_seconds(job: Job) -> float:
    """What a work job has for its share, before it has to leave its results."""
    seconds = job.settings.job_minutes * 60.0
    return max(seconds - UPLOAD_SECONDS, seconds / 2)


def home(job: Job, accounts: Accounts | None) -> runs.Home:
    return runs.Home(
        cache=job.folder / ATTEMPTS,
        accounts=accounts,
        environment=job.environment,
        place=Place.GITHUB,
        seconds=usable_seconds(job),
    )


def _leave(job: Job, share: Plan, run_folder: Path, *, round_number: int) -> None:
    """The artifact of this share."""
    folder = folder_of(job.artifacts, job.settings.share)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    state, events = runs.look(run_folder)
    objects = RunRepository.open(run_folder / "repository.git")
    report = build_report(state, events)
    rows = {row.id: row for row in report.tasks}
    results = [
        _bundled(
            _result(one, rows[one.task.id], evidence=_find_evidence(job, run_folder, one)),
            objects,
            folder,
            share,
        )
        for one in state.tasks.values()
    ]
    document = ShareResults(
        run=share.run,
        round=round_number,
        share=job.settings.share,
        base=share.base,
        base_green=state.base_green,
        base_reason=state.base_reason,
        stopped=state.stopped,
        tasks=tuple(results),
    )
    write_document(job, folder / RESULTS_FILE, asdict(document))
    copy_logs(job, run_folder, folder)
    _write_page(job, folder, report)


def _write_page(job: Job, folder: Path, report: Report) -> None:
    """For a person who downloads the artifact."""
    told = redacted(job, _as_share(report))
    told = replace(told, follow_ups=tuple(map(_renamed, told.follow_ups)))
    html = job.redact(render_report(told))  # what is shown has lost what may stand in a secret
    if len(html) <= MOST_LOG_BYTES:
        runs.write_report(folder, html, told)


def _renamed(draft: Draft) -> Draft:
    """An artifact takes no asterisk in the name of a file, and would be lost as a whole."""
    return replace(draft, file=draft.file.replace(REPLACEMENT, "redacted"))


def _as_share(report: Report) -> Report:
    """Without commands for a machine that is gone when somebody reads them."""
    text = "the jobs verify and finalize go on from here; the issue of the run gets the report"
    return replace(report, next_steps=(NextStep(text=text),))


def _result(one: TaskRecord, row: TaskRow, *, evidence: str) -> Result:
    attempt = one.attempt or Attempt(number=0)
    succeeded = one.state is TaskState.SUCCEEDED
    return Result(
        task=one.task.id,
        state=one.state,
        outcome=attempt.outcome,
        reason=one.reason or ("" if succeeded else attempt.reason),
        attempts=len(one.attempts),
        base=attempt.base,
        built_on=attempt.built_on,
        head=one.head if succeeded else "",
        work="" if succeeded else one.work,
        no_op=attempt.no_op,
        notes=row.notes[:MOST_NOTES],
        follow_ups=carry(text for tried in one.attempts for text in tried.follow_ups),
        evidence=evidence,
        seconds=sum(tried.seconds for tried in row.attempts),
        usage=_plausible(row.usage),
        resumes_at=min(max(attempt.resumes_at, 0.0), LARGEST_NUMBER),
    )


def _plausible(usage: Usage) -> Usage:
    """What an agent says of itself is hostile as well, and one bad number spoils a whole share."""
    cost = usage.cost_usd
    return Usage(
        cost_usd=cost if cost is not None and 0 <= cost <= LARGEST_NUMBER else None,
        input_tokens=min(max(usage.input_tokens, 0), LARGEST_NUMBER),
        output_tokens=min(max(usage.output_tokens, 0), LARGEST_NUMBER),
        is_estimated=usage.is_estimated,
    )


def _bundled(result: Result, objects: RunRepository, folder: Path, share: Plan) -> Result:
    """With its commit in a file, where it has one."""
    commit = result.head or result.work
    if not commit:
        return result
    name = f"bundles/{result.task}.bundle"
    ref = f"refs/heads/concertmaster/{share.run}/{result.task}"
    objects.bundle(folder / name, commit, ref=ref, base=share.base)
    return replace(result, bundle=name, sha256=digest(folder / name))


def _find_evidence(job: Job, run_folder: Path, one: TaskRecord) -> str:
    """The end of what tells why the newest attempt failed."""
    if one.state is TaskState.SUCCEEDED or one.attempt is None:
        return ""
    folder = run_folder / "tasks" / one.task.id / str(one.attempt.number)
    tails = (read_tail(job, folder / name) for name in ("check.log", "transcript.jsonl"))
    return next((tail for tail in tails if tail), one.attempt.reason or one.reason)


def _conclude(job: Job, run_folder: Path) -> int:
    state, events = runs.look(run_folder)
    report = build_report(state, events)
    artifact = folder_of(Path(), job.settings.share)
    job.console.show_report(_as_share(report), artifact)
    if table := breakdown_markdown(report):
        job.write_summary(table)
    if state.base_green is False:
        raise Error(
            "the base does not pass its own check, so no agent was started",
            why=state.base_reason,
            next_step="mend the target branch, then write `/orchestrate` again",
        )
    return 0 if _has_results(state) else exit_code(report)


def _has_results(state: RunState) -> bool:
    attempts = [one.attempt for one in state.tasks.values() if one.attempt]
    return any(attempt.outcome is Outcome.SUCCEEDED for attempt in attempts)
