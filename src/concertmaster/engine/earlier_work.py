"""Recalls what a run has made and learnt of the tasks that did not land."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from concertmaster.engine.logs import read_end
from concertmaster.engine.page_material import REPOSITORY
from concertmaster.engine.recorded_run import RecordedRun
from concertmaster.git.our_branches import reference_of
from concertmaster.git.repository import Repository
from concertmaster.git.run_repository import RunRepository
from concertmaster.landing.fault import LandingFault
from concertmaster.model import Outcome, Repair, TaskState
from concertmaster.planning.earlier_tries import EarlierTry
from concertmaster.run.task_record import Attempt, TaskRecord

# What is wrong with such a result lies in itself, so its task is done anew.
_WRONG_IN_ITSELF = (LandingFault.REFUSED, LandingFault.HELD)
_NOT_AT_FAULT = (
    *(Outcome.CANCELLED, Outcome.LIMITED, Outcome.OVER_BUDGET, Outcome.NO_ACCESS),
    Outcome.YIELDED,
)


def recall_tries(run: RecordedRun, tasks: Iterable[str]) -> dict[str, EarlierTry]:
    """Return what the run learnt of these tasks, by id.

    Raises EnvironmentFault when the run's repository is gone.
    """
    objects = RunRepository.open(run.folder / REPOSITORY)
    return {key: _recall(run, run.state.tasks[key], objects) for key in tasks}


def _recall(run: RecordedRun, record: TaskRecord, objects: RunRepository) -> EarlierTry:
    result = _find_result(record)
    newest = next((a for a in reversed(record.attempts) if a.base and (a.head or a.work)), None)
    sides = (result.base, result.head) if result else ("", "")
    if result is None and newest is not None:
        sides = (newest.base, newest.head or newest.work)
    is_there = all(sides) and all(map(objects.holds, sides))
    changes = objects.changes(*sides) if is_there else ()
    return EarlierTry(
        run=run.folder.name,
        paths=tuple(change.path for change in changes),
        evidence="" if result and is_there else _find_evidence(run, record),
        result=result if is_there else None,
    )


def _find_result(record: TaskRecord) -> Repair | None:
    """Return the task's newest result, None if there is none that could land."""
    if record.fault is not None and record.fault.kind in _WRONG_IN_ITSELF:
        return None
    done = next((attempt for attempt in reversed(record.attempts) if attempt.head), None)
    if done is None:
        return record.task.earlier
    return Repair(base=done.base, head=done.head, reason=record.reason or "it did not land")


def _find_evidence(run: RecordedRun, record: TaskRecord) -> str:
    """Return why the task did not land and the end of the log that shows it, "" if unknown."""
    tried = [one for one in record.attempts if _counts(one)]
    if record.state is TaskState.BLOCKED or not tried:
        return record.task.evidence
    log = run.folder / "tasks" / record.task.id / str(tried[-1].number) / "check.log"
    told = (record.reason or tried[-1].reason, read_end(log))
    return "\n\n".join(filter(None, told))


def _counts(attempt: Attempt) -> bool:
    return attempt.outcome not in (None, *_NOT_AT_FAULT)


def keep_results(
    run: RecordedRun, tries: Mapping[str, EarlierTry], repository: Repository, *, new_run: str
) -> None:
    """Bring the results into the repository, on references of the new run.

    Raises GitFault.
    """
    for task, one in tries.items():
        if one.result is not None:
            ref = reference_of(new_run, f"earlier/{task}")
            repository.fetch(run.folder / REPOSITORY, one.result.head, ref=ref)
