"""The work job: the engine on its share of the tasks, and one folder with what came of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from concertmaster.adapters import journal
from concertmaster.adapters.process import Guard
from concertmaster.adapters.remote import clone
from concertmaster.adapters.run_repository import RunRepository
from concertmaster.core.model import Built, Outcome, Plan
from concertmaster.core.policy import Place
from concertmaster.core.redaction import redact_lines
from concertmaster.core.report import Report, build_report, exit_code
from concertmaster.core.share import take_share
from concertmaster.core.state import RunState, TaskRecord
from concertmaster.engine import run as runs
from concertmaster.engine.job import Job, digest
from concertmaster.engine.planning import Planned
from concertmaster.engine.site import PROMPTS
from concertmaster.errors import EnvironmentFault, Error

UPLOAD_SECONDS = 120.0  # of the job's time that is kept for bundles and the upload
MOST_LOG_BYTES = 4 << 20  # of each log; its end tells more than its beginning
RESULT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one task, for the jobs that land it."""

    task: str
    state: str
    outcome: str
    reason: str
    attempts: int
    base: str = ""
    built_on: tuple[Built, ...] = ()
    head: str = ""
    no_op: str = ""
    bundle: str = ""
    sha256: str = ""


def work(job: Job) -> int:
    """Run the share, then leave journal, results, bundles and logs; whatever it came to."""
    plan, texts = _read_plan(job)
    share = take_share(plan, job.settings.share, slots=job.settings.slots)
    folder = job.folder / "repository"
    shutil.rmtree(folder, ignore_errors=True)  # of a try of this job before
    repository = clone(job.clone_url, folder, token=job.token, branch=plan.target)
    repository.resolve(plan.base)
    planned = Planned(plan=share, repository=repository, texts=texts)
    run_folder = runs.runs_folder(repository) / share.run
    try:
        with Guard() as guard, job.console.progress(share) as progress:
            runs.start(planned, _home(job), progress=progress, guard=guard)
    finally:
        if (run_folder / "journal.jsonl").exists():
            _leave(job, share, run_folder)
    return _conclude(job, run_folder)


def _read_plan(job: Job) -> tuple[Plan, dict[str, bytes]]:
    """The plan job's artifact, held to the digest that came as an output of that job."""
    folder = job.artifacts / "plan"
    wanted = job.settings.plan_sha256
    if not wanted or digest(folder / "plan.json") != wanted:
        raise EnvironmentFault(
            "the plan of the artifact is not the plan that was made",
            why="its sha256 differs from the output `plan_sha256` of the plan job",
            next_step="run the whole workflow again",
        )
    plan = journal.read_plan(folder)
    return plan, {task.blob: _read_prompt(folder, task.blob) for task in plan.tasks}


def _read_prompt(folder: Path, blob: str) -> bytes:
    try:
        return (folder / PROMPTS / blob).read_bytes()
    except OSError as error:
        raise EnvironmentFault(
            f"the artifact lacks the prompt {blob}",
            why=str(error.strerror),
            next_step="run the whole workflow again",
        ) from error


def _home(job: Job) -> runs.Home:
    seconds = job.settings.job_minutes * 60.0
    return runs.Home(
        cache=job.folder / "attempts",
        environment=job.environment,
        place=Place.GITHUB,
        seconds=max(seconds - UPLOAD_SECONDS, seconds / 2),
    )


def _leave(job: Job, share: Plan, run_folder: Path) -> None:
    """The artifact of this share."""
    folder = job.artifacts / f"work-{job.settings.share}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    state, _ = runs.look(run_folder)
    objects = RunRepository.open(run_folder / "repository.git")
    results = [_result(one, objects, folder, share) for one in state.tasks.values()]
    document = {
        "version": RESULT_VERSION,
        "run": share.run,
        "share": job.settings.share,
        "base": share.base,
        "base_green": state.base_green,
        "stopped": state.stopped,
        "tasks": [asdict(one) for one in results],
    }
    text = job.redact(json.dumps(document, indent=1))
    journal.write_whole(folder / "results.json", text + "\n")
    for source, name in _logs(run_folder):
        _copy_redacted(job, source, folder / name)


def _result(one: TaskRecord, objects: RunRepository, folder: Path, share: Plan) -> Result:
    attempt = one.attempt
    result = Result(
        task=one.task.id,
        state=one.state.value,
        outcome=attempt.outcome.value if attempt and attempt.outcome else "",
        reason=one.reason,
        attempts=len(one.attempts),
        base=attempt.base if attempt else "",
        built_on=attempt.built_on if attempt else (),
        head=one.head,
        no_op=attempt.no_op if attempt else "",
    )
    commit = one.head or one.work
    return _with_bundle(result, commit, objects, folder, share) if commit else result


def _with_bundle(
    result: Result, commit: str, objects: RunRepository, folder: Path, share: Plan
) -> Result:
    name = f"bundles/{result.task}.bundle"
    ref = f"refs/heads/concertmaster/{share.run}/{result.task}"
    objects.bundle(folder / name, commit, ref=ref, base=share.base)
    fields = {**asdict(result), "built_on": result.built_on}
    return Result(**{**fields, "bundle": name, "sha256": digest(folder / name)})


def _logs(run_folder: Path) -> Iterator[tuple[Path, str]]:
    yield run_folder / "journal.jsonl", "journal.jsonl"
    for path in sorted((run_folder / "tasks").rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path, f"tasks/{path.relative_to(run_folder / 'tasks').as_posix()}"


def _copy_redacted(job: Job, source: Path, copy: Path) -> None:
    """Line by line without secrets, and of a long log its end."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    secrets = [value for value in (job.token, *job.agent_secrets()) if value]
    with source.open("rb") as lines, copy.open("wb") as file:
        left_out = source.stat().st_size - MOST_LOG_BYTES
        if left_out > 0 and source.name != "journal.jsonl":
            lines.seek(left_out)
            lines.readline()
        file.writelines(redact_lines(lines, secrets=secrets))


def _conclude(job: Job, run_folder: Path) -> int:
    state, events = runs.look(run_folder)
    report: Report = build_report(state, events)
    job.console.show_report(report, run_folder)
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
