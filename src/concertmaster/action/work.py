"""Runs the work job: the engine on one share, then an artifact with its results."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from concertmaster.action.artifact_files import (
    MOST_LOG_BYTES,
    copy_logs,
    read_tail,
    redacted,
    write_document,
)
from concertmaster.action.artifacts import digest_files, share_folder
from concertmaster.action.federation import federated
from concertmaster.action.isolation import home, isolated_users
from concertmaster.action.job import Job, renew_folder
from concertmaster.action.left_work import LeftWork, pack_left_work
from concertmaster.action.plan_artifact import read_plan_artifact
from concertmaster.engine import local_run as runs
from concertmaster.engine.find_run import runs_folder
from concertmaster.engine.recorded_run import JOURNAL, RecordedRun, read_run, write_report
from concertmaster.errors import Error
from concertmaster.git.our_branches import branch_of
from concertmaster.git.run_repository import RunRepository
from concertmaster.model import Outcome, Plan, TaskState, Usage
from concertmaster.planning.build_plan import Planned
from concertmaster.planning.shares import take_share
from concertmaster.prompts.follow_ups import PromptDraft, carry_follow_ups
from concertmaster.report.html import render_report
from concertmaster.report.model import Report, TaskRow
from concertmaster.report.next_steps import NextStep
from concertmaster.report.run_end import exit_code
from concertmaster.report.summary import breakdown_markdown
from concertmaster.rounds.documents import RESULTS_FILE
from concertmaster.rounds.result import Result, ShareResults
from concertmaster.run.attempts import count_tries
from concertmaster.run.state import RunState
from concertmaster.run.task_record import Attempt, TaskRecord
from concertmaster.sandbox.supervisor import Guard
from concertmaster.text.redaction import REPLACEMENT

MOST_NOTES = 50  # for each task
LARGEST_NUMBER = 10**12


def work(job: Job) -> int:
    """Run the share, then leave journal, results, bundles and logs, whatever the outcome.

    Return the exit code. Raises Error if the base does not pass its own check.
    """
    plan_artifact = read_plan_artifact(job)
    plan = plan_artifact.plan
    job = job.handing(plan.settings)
    share = take_share(plan, job.settings.share, slots=job.settings.slots)
    repository = job.clone(branch=plan.target)
    repository.resolve(plan.base)
    planned = Planned(plan=share, repository=repository, texts=plan_artifact.texts)
    folder, ran = runs_folder(repository) / share.run, None
    try:
        with (
            isolated_users(job) as accounts,
            Guard() as guard,
            job.console.progress() as progress,
            federated(job, is_isolated=accounts is not None) as with_access,
        ):
            job = with_access
            ran = runs.start_run(planned, home(job, accounts), progress=progress, guard=guard)
    finally:
        if (folder / JOURNAL).exists():
            ran = ran or read_run(folder)
            _leave(job, share, ran, round_number=plan_artifact.history.round)
    return _conclude(job, ran)


def _leave(job: Job, share: Plan, run: RecordedRun, *, round_number: int) -> None:
    """Write the artifact of this share."""
    folder = renew_folder(share_folder(job.artifacts, job.settings.share))
    state = run.state
    objects = RunRepository.open(run.folder / "repository.git")
    left = pack_left_work(job, run.folder / "strays", folder)
    report = _told(run.report, left)
    rows = {row.id: row for row in report.tasks}
    results = [
        _bundled(
            _result(one, rows[one.task.id], evidence=_find_evidence(job, run.folder, one)),
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
    copy_logs(job, run.folder, folder)
    _write_page(job, folder, report)


def _told(report: Report, left: LeftWork) -> Report:
    """Return the report whose notes name places in the artifact."""
    rows = [
        replace(
            row,
            attempts=tuple(replace(one, notes=left.tell(one.notes)) for one in row.attempts),
        )
        for row in report.tasks
    ]
    return replace(report, tasks=tuple(rows))


def _write_page(job: Job, folder: Path, report: Report) -> None:
    """Write the report for a person who downloads the artifact."""
    told = redacted(job, _as_share(report))
    told = replace(told, follow_ups=tuple(map(_renamed, told.follow_ups)))
    # Rendering drops invisible characters, which may split a secret. So the page is redacted again.
    html = job.redact(render_report(told))
    if len(html) <= MOST_LOG_BYTES:
        write_report(folder, html, told)


def _renamed(draft: PromptDraft) -> PromptDraft:
    """Rename the file without asterisks, which GitHub does not accept in an artifact."""
    return replace(draft, file=draft.file.replace(REPLACEMENT, "redacted"))


def _as_share(report: Report) -> Report:
    """Return the report without commands for this machine, which is gone when a person reads it."""
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
        attempts=count_tries(one),
        base=attempt.base,
        built_on=attempt.built_on,
        head=one.head if succeeded else "",
        work="" if succeeded else one.work,
        no_op=attempt.no_op,
        notes=_notes(row)[:MOST_NOTES],
        said=attempt.said if succeeded else "",
        review=attempt.review if succeeded else "",
        follow_ups=carry_follow_ups(text for tried in one.attempts for text in tried.follow_ups),
        evidence=evidence,
        machine=None if succeeded else attempt.machine,
        seconds=sum(tried.seconds for tried in row.attempts),
        usage=_plausible(row.usage),
        resumes_at=min(max(attempt.resumes_at, 0.0), LARGEST_NUMBER),
    )


def _notes(row: TaskRow) -> tuple[str, ...]:
    """Return the notes on the attempts, the newest attempt first, then those of the plan."""
    tried = (note for attempt in reversed(row.attempts) for note in attempt.notes)
    return tuple(dict.fromkeys((*tried, *row.notes)))


def _plausible(usage: Usage) -> Usage:
    """Return the usage within bounds.

    The agent's numbers are untrusted, and one bad number would make the whole share invalid.
    """
    cost = usage.cost_usd
    return Usage(
        cost_usd=cost if cost is not None and 0 <= cost <= LARGEST_NUMBER else None,
        input_tokens=min(max(usage.input_tokens, 0), LARGEST_NUMBER),
        output_tokens=min(max(usage.output_tokens, 0), LARGEST_NUMBER),
        is_estimated=usage.is_estimated,
    )


def _bundled(result: Result, objects: RunRepository, folder: Path, share: Plan) -> Result:
    """Return the result with its commit in a bundle, if it has a commit."""
    commit = result.head or result.work
    if not commit:
        return result
    name = f"bundles/{result.task}.bundle"
    ref = f"refs/heads/{branch_of(share.run, result.task)}"
    objects.bundle(folder / name, commit, ref=ref, base=share.base)
    return replace(result, bundle=name, sha256=digest_files(folder / name))


def _find_evidence(job: Job, run_folder: Path, one: TaskRecord) -> str:
    """Return the end of the log that shows why the newest attempt failed."""
    if one.state is TaskState.SUCCEEDED or one.attempt is None:
        return ""
    folder = run_folder / "tasks" / one.task.id / str(one.attempt.number)
    tails = (read_tail(job, folder / name) for name in ("check.log", "transcript.jsonl"))
    return next((tail for tail in tails if tail), one.attempt.reason or one.reason)


def _conclude(job: Job, run: RecordedRun) -> int:
    state, report = run.state, run.report
    artifact = share_folder(Path(), job.settings.share)
    job.console.show_report(_as_share(report), artifact)
    if table := breakdown_markdown(report):
        job.write_summary(table)
    if state.base_green is False:
        raise Error(
            "the base does not pass its own check, so no agent was started",
            why=state.base_reason,
            next_step="mend the target branch, then write `/orchestrate` again",
        )
    return 0 if _has_results(state) else exit_code(report.ended)


def _has_results(state: RunState) -> bool:
    attempts = [one.attempt for one in state.tasks.values() if one.attempt]
    return any(attempt.outcome is Outcome.SUCCEEDED for attempt in attempts)
